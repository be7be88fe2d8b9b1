/** Elements made in code: text is only ever text, so nothing that a model or a reader wrote can become markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, unknown>} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. Attributes that are `null` or `false` are left out, `true` ones stand without a value; `on` holds
 * listeners, `style` properties, `data` data-attributes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children.flat());
  return element;
}

/**
 * The same for SVG.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = /** @type {SVGElementTagNameMap[K]} */ (document.createElementNS(SVG, tag));
  fill(element, attributes, children.flat());
  return element;
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(/** @type {object} */ (value)))
        element.addEventListener(event, /** @type {EventListener} */ (listener));
    } else if (name === "style") {
      for (const [property, text] of Object.entries(/** @type {object} */ (value)))
        element.style.setProperty(property, String(text));
    } else if (name === "data") {
      for (const [key, text] of Object.entries(/** @type {object} */ (value))) element.dataset[key] = String(text);
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, ...children);
}

/**
 * Put children behind those that are there.
 * @template {Element} E
 * @param {E} parent
 * @param {...Child} children
 * @returns {E}
 */
export function add(parent, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
  return parent;
}

/**
 * Put children in place of those that are there.
 * @template {Element} E
 * @param {E} parent
 * @param {...(Child | Child[])} children
 * @returns {E}
 */
export function put(parent, ...children) {
  parent.replaceChildren();
  return add(parent, ...children.flat());
}

/**
 * A button that does something.
 * @param {Child} label
 * @param {(event: Event) => void} does
 * @param {Attributes} [attributes]
 */
export function button(label, does, attributes = {}) {
  return h("button", { type: "button", ...attributes, on: { click: does } }, label);
}

let serial = 0;

/** A name that no other element of the page has. @param {string} stem */
export function uniqueId(stem) {
  serial += 1;
  return `${stem}-${serial}`;
}

/** Whether the reader asked for less motion. */
export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Call a function once at the next frame, however often it is asked for.
 * @param {() => void} draws
 */
export function atNextFrame(draws) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draws();
    });
  };
}
