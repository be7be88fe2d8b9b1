/** A saved pass answers for the server: the same questions, from the numbers in the file and the rules beside them. */

import { explain } from "./saved/explaining.js";
import { nudge } from "./saved/nudging.js";
import { opened, refuse } from "./saved/pass.js";
import { describe, predictions, tile } from "./saved/tensors.js";

/** @param {import("./saved/pass.js").Saved} saved @returns {import("./server.js").Answers} */
export function answering(saved) {
  const pass = opened(saved);
  return (path, body, listener) => {
    const [route, query] = path.split("?");
    const last = route.split("/").at(-1);
    const asked = new URLSearchParams(query ?? "");
    if (route === "api/contents") return { chapters: [], models: [{ id: "saved", name: saved.model, folder: "" }] };
    if (route === "api/models/saved") return { translates: saved.pass.source !== null, prompt: saved.prompt, target: null };
    if (route === "api/records") return saved.pass;
    if (last === "tensor") return describe(pass, asked);
    if (last === "tile") return tile(pass, asked);
    if (last === "explain") return explain(pass, { way: [], shown: 20, ...body });
    if (last === "predictions") return predictions(pass, body);
    if (last === "nudge" && listener) return nudge(pass, { way: [], temperature: 1, ...body }, listener);
    if (last === "residual") return saved.residuals[`${body.position},${body.token}`] ?? refuse("this file holds that view for the likeliest tokens after the last position only");
    return refuse("a saved page cannot run the model", `everysum open can`);
  };
}
