// Building elements. Text goes in as text and nothing is ever parsed as markup, so
// what a record holds cannot become a part of the page.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with properties and children.
 *
 * Names that begin with `on` are listeners, `data` and `class` are what they say, and
 * everything else is an attribute; `null`, `undefined` and `false` leave it out.
 *
 * @param {string} tag
 * @param {Record<string, any> | null} [properties]
 * @param {...any} children nodes, texts, or lists of them; `null` and `false` are left out
 * @returns {HTMLElement}
 */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for a drawing. @returns {SVGElement} */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of this id, which the page is known to have. @returns {any} */
export const byId = (id) => document.getElementById(id);

/** A sentence of the service, in which what stands between backticks is code. */
export function prose(text) {
  return text.split("`").map((part, number) => (number % 2 === 1 ? h("code", null, part) : part));
}

/** The drawings used, each on a canvas of 16 by 16, as paths. */
const ICONS = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.3 10.3 14 14",
  close: "M4 4l8 8M12 4l-8 8",
  clock: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM8 4.6V8l2.4 1.6",
  chevron: "M4.5 6.5 8 10l3.5-3.5",
  star: "M8 2l1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5Z",
  download: "M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
  sliders: "M2 4.5h7M12 4.5h2M9.5 2.8v3.4M2 11.5h2M7 11.5h7M4.5 9.8v3.4",
  help: "M6.2 6.1a1.9 1.9 0 1 1 2.6 1.8c-.5.2-.8.6-.8 1.2M8 11.6v.1M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z",
  user: "M8 2.5a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4ZM2.8 13.8c.4-2.6 2.5-4 5.2-4s4.8 1.4 5.2 4",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6l7.5-4.8Z",
  copy: "M6 6h7.5v7.5H6ZM10 6V2.5H2.5V10H6",
  link: "M7 9a3 3 0 0 0 4.3.2l2-2a3 3 0 0 0-4.3-4.3l-1 1M9 7a3 3 0 0 0-4.3-.2l-2 2A3 3 0 0 0 7 13.1l1-1",
  trash: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9",
  zoomOut: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM10.3 10.3 14 14M5 7h4",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
  warning: "M8 2.2 14.4 13.4H1.6ZM8 6.4v3.2M8 11.4v.1",
  lock: "M3.5 7.2h9v6.3h-9ZM5.2 7.2V5a2.8 2.8 0 0 1 5.6 0v2.2",
  success: "M3.5 8.4l3 3 6-6.6",
  rejected: "M8 3v6M8 12.2v.3",
  denied: "M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6ZM4.2 4.2l7.6 7.6",
  failed: "M4 4l8 8M12 4l-8 8",
  aborted: "M3 8h6M11.5 4v8",
  unknown: "M5.8 5.8a2.2 2.2 0 1 1 3.1 2c-.6.3-.9.7-.9 1.4M8 12v.1",
};

/** A drawing that says nothing to a screen reader: what it means stands beside it. */
export function icon(name) {
  return svg(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: ICONS[name] }),
  );
}

/** Says something to whoever cannot see it, and shows it for a moment to whoever can. */
export function say(text) {
  byId("announcer").textContent = text;
}

let toastTimer = 0;

/** Says that something was done. */
export function toast(text) {
  say(text);
  const toast = byId("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { toast.hidden = true; }, 2500);
}

/** Copies a text. Without a secure connection browsers give no clipboard, so it is selected instead. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`);
  } catch {
    window.prompt(`The browser gives no access to its clipboard here. ${what}:`, text);
  }
}
