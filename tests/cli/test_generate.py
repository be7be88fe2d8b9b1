"""`everysum generate`: the text, its seed, its chances and its continuations."""

from __future__ import annotations

import io
import json
import math
import re

import pytest

from everysum.cli.terminal import printable


def test_prompt_and_text_are_data_and_the_seed_is_talk(everysum, tiny_run) -> None:
    outcome = everysum("generate", tiny_run, "Tom", "--tokens", "12")
    assert outcome.code == 0
    assert outcome.out.startswith("Tom")
    assert outcome.out.endswith("\n")
    seed = re.fullmatch(r"--seed (\d+) gives the same again\n", outcome.err)
    assert seed is not None
    again = everysum("generate", tiny_run, "Tom", "--tokens", "12", "--seed", seed[1])
    assert (again.out, again.err) == (outcome.out, "")


def test_the_command_generates_what_python_generates(everysum, tiny_run) -> None:
    import everysum as es

    wanted = es.load(tiny_run).generate("Tom", tokens=20, temperature=0.7, top_k=20, top_p=0.9, seed=3, stop=["."])
    sampling = ("--temperature", "0.7", "--top-k", "20", "--top-p", "0.9", "--seed", "3", "--stop", ".")
    assert everysum("generate", tiny_run, "Tom", "--tokens", "20", *sampling).out == f"Tom{wanted}\n"


def test_a_prompt_may_come_from_standard_input(everysum, tiny_run) -> None:
    direct = everysum("generate", tiny_run, "Ann ran", "--seed", "1", "--tokens", "5")
    piped = everysum("generate", tiny_run, "-", "--seed", "1", "--tokens", "5", given=b"Ann ran\n")
    assert piped.out == direct.out


def test_without_a_prompt_a_new_text_starts(everysum, tiny_run) -> None:
    made = json.loads(everysum("generate", tiny_run, "--tokens", "5", "--seed", "2", "--json").out)
    assert made["prompt"] is None
    assert everysum("generate", tiny_run, "--tokens", "5", "--seed", "2").out == made["text"] + "\n"


def test_json_says_all_that_is_needed_to_repeat_a_text(everysum, tiny_run) -> None:
    outcome = everysum("generate", tiny_run, "Tom", "--tokens", "7", "--json")
    made = json.loads(outcome.out)
    assert outcome.err == ""
    assert made["prompt"] == "Tom"
    assert made["ending"] in ("tokens", "end_of_text")
    assert made["tokens"] <= 7
    again = everysum("generate", tiny_run, "Tom", "--tokens", "7", "--seed", made["seed"], "--json")
    assert without_speed(again.out) == without_speed(outcome.out)


def without_speed(line: str) -> dict[str, object]:
    """What a JSON line says of a text, and not how fast it came."""
    return {name: value for name, value in json.loads(line).items() if name != "speed"}


@pytest.mark.parametrize(("form", "bits"), [("float32", 32), ("bf16", 16), ("int8", 8.25), ("int4", 4.25)])
def test_json_says_how_fast_the_text_came_and_how_near_memory_s_limit(everysum, tiny_run, form, bits) -> None:
    options = ("--tokens", "9", "--temperature", "0", "--weights", form, "--json")
    speed = json.loads(everysum("generate", tiny_run, "Tom", *options).out)["speed"]
    assert speed["weights"] == form
    assert speed["bits_a_weight"] >= bits  # matrices this small are mostly filled up
    assert speed["tokens_per_second"] > 0
    assert speed["first_token_seconds"] > 0
    bytes_a_second = speed["tokens_per_second"] * speed["weight_bytes_a_step"]
    assert speed["share_of_limit"] == pytest.approx(bytes_a_second / speed["memory_bytes_per_second"], abs=1e-3)
    assert re.match(r"native step|PyTorch", speed["computed_by"])


def test_packed_weights_in_32_bits_change_no_text(everysum, tiny_run) -> None:
    import everysum as es

    unpacked = es.load(tiny_run).generate("Tom ran", tokens=30, seed=5)
    assert es.load(tiny_run, weights="float32").generate("Tom ran", tokens=30, seed=5) == unpacked
    assert everysum("generate", tiny_run, "Tom ran", "--tokens", "30", "--seed", "5").out == f"Tom ran{unpacked}\n"


def test_a_form_that_does_not_exist_is_refused(everysum, tiny_run) -> None:
    outcome = everysum("generate", tiny_run, "Tom", "--weights", "int3")
    assert outcome.code == 2
    assert "int3" in outcome.err


def test_each_line_of_a_file_of_prompts_is_what_it_would_be_alone(everysum, tiny_run, home) -> None:
    prompts = ["Tom", "Ann ran", "the cat slept on"] * 7  # more than are computed at once
    (home / "prompts.txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")
    options = ("--tokens", "6", "--json")
    rows = everysum("generate", tiny_run, "--prompts", "prompts.txt", "--seed", "5", *options).out.splitlines()
    assert [json.loads(row)["prompt"] for row in rows] == prompts
    for place in (0, 4, 20):
        alone = everysum("generate", tiny_run, prompts[place], "--seed", 5 + place, *options)
        assert without_speed(rows[place]) == without_speed(alone.out)


def test_prompts_become_blocks_of_text(everysum, tiny_run) -> None:
    outcome = everysum(
        "generate", tiny_run, "--prompts", "-", "--temperature", "0", "--tokens", "4", given=b"Tom\nAnn\n"
    )
    single = [
        everysum("generate", tiny_run, name, "--temperature", "0", "--tokens", "4").out for name in ("Tom", "Ann")
    ]
    assert outcome.out == "\n".join(single) + "\n"
    assert outcome.err == ""  # without chance there is no seed to tell


def test_the_number_of_a_prompt_that_is_too_long_counts_all_prompts(everysum, tiny_run) -> None:
    prompts = "\n".join(["Tom"] * 19 + ["0123456789" * 3])
    outcome = everysum("generate", tiny_run, "--prompts", "-", given=prompts.encode())
    assert outcome.err.startswith("prompt 20 of 20 is longer than the model's context\n")
    assert (outcome.code, outcome.out) == (3, "")


class Screen(io.StringIO):
    """A standard output that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variables", "start"), [({}, "\x1b[1mTom\x1b[0m"), ({"NO_COLOR": "1"}, "Tom")])
def test_on_a_terminal_the_prompt_is_set_off(variables, start, everysum, tiny_run, monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    piped = everysum("generate", tiny_run, "Tom", "--seed", "1", "--tokens", "8").out
    screen = Screen()
    everysum("generate", tiny_run, "Tom", "--seed", "1", "--tokens", "8", stdout=screen)
    assert screen.getvalue() == start + printable(piped.removeprefix("Tom"))


def test_a_terminal_is_spared_control_characters() -> None:
    assert printable("a\x1b[2Jb\x07\r\n\tc\x9bé🙂") == "a\ufffd[2Jb\ufffd\n\tc\ufffdé🙂"


# --- chances ----------------------------------------------------------------------------------------------------------


def test_chances_follow_the_text_that_the_same_seed_generates(everysum, tiny_run) -> None:
    text = everysum("generate", tiny_run, "Tom", "--tokens", "6", "--seed", "4", "--json")
    steps = json.loads(everysum("generate", tiny_run, "Tom", "--tokens", "6", "--seed", "4", "--chances", "--json").out)
    assert "".join(step["taken"]["piece"] for step in steps["steps"]) == json.loads(text.out)["text"]


def test_chances_are_the_likeliest_tokens_in_order(everysum, tiny_run) -> None:
    shown = json.loads(everysum("generate", tiny_run, "Tom", "--tokens", "2", "--chances", "4", "--json").out)
    for step in shown["steps"]:
        probabilities = [candidate["probability"] for candidate in step["candidates"]]
        assert len(probabilities) == 4
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1


def test_the_table_of_chances_shows_each_candidate_with_its_bar(everysum, tiny_run) -> None:
    arguments = ("generate", tiny_run, "Tom", "--temperature", "0", "--tokens", "1", "--chances")
    shown = everysum(*arguments, "3")
    values = json.loads(everysum(*arguments, "3", "--json").out)["steps"][0]
    header, *rows, blank = shown.out.splitlines()
    assert (header, len(rows), blank) == ("after Tom", 3, "")
    assert rows[0].startswith("→ ")
    for row, candidate in zip(rows, values["candidates"], strict=True):
        assert repr(candidate["piece"]) in row
        assert f"{candidate['probability']:.2%}" in row
        full_blocks = math.floor(candidate["probability"] * 20 + 1 / 16)
        assert row.count("█") == full_blocks


def test_a_token_taken_against_the_odds_stands_below_the_candidates(everysum, tiny_run) -> None:
    hot = ("--temperature", "5", "--tokens", "20", "--seed", "1", "--chances", "1")
    blocks = everysum("generate", tiny_run, "Tom", *hot).out.rstrip().split("\n\n")
    unlikely = [block.splitlines() for block in blocks if len(block.splitlines()) == 3]
    assert unlikely
    assert all(rows[1].startswith("  ") and rows[2].startswith("→ ") for rows in unlikely)


def test_chances_may_stand_before_the_prompt_without_a_number(everysum, tiny_run) -> None:
    before = everysum("generate", tiny_run, "--chances", "Tom", "--seed", "1", "--tokens", "2")
    behind = everysum("generate", tiny_run, "Tom", "--chances", "5", "--seed", "1", "--tokens", "2")
    assert before.out == behind.out


# --- continuations ----------------------------------------------------------------------------------------------------


def test_continuations_come_with_their_probabilities(everysum, tiny_run) -> None:
    shown = json.loads(everysum("generate", tiny_run, "Tom", "--continuations", "4", "--length", "3", "--json").out)
    found = shown["continuations"]
    assert len(found) == 4
    assert [one["probability"] for one in found] == sorted((one["probability"] for one in found), reverse=True)
    for one in found:
        assert one["probability"] == pytest.approx(math.prod(one["token_probabilities"]))


def test_continuations_are_drawn_as_a_tree_with_a_leaf_for_each(everysum, tiny_run) -> None:
    arguments = ("generate", tiny_run, "Tom", "--continuations", "6", "--length", "4")
    found = json.loads(everysum(*arguments, "--json").out)["continuations"]
    root, *branches = everysum(*arguments).out.splitlines()
    assert root == "Tom"
    assert all(re.fullmatch(r"(│  |   )*[├└]─ +\d+\.\d\d%  .+", branch) for branch in branches)
    depth = [len(re.match(r"(│  |   )*", branch)[0]) for branch in branches]  # type: ignore[index]
    leaves = [place for place in range(len(branches)) if place + 1 == len(branches) or depth[place + 1] <= depth[place]]
    assert len(leaves) == len(found) == 6
    shares = sorted(float(branches[leaf].split("%")[0].split()[-1]) for leaf in leaves)
    assert shares == sorted(round(100 * one["probability"], 2) for one in found)
