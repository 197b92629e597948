// JSON as it is stored, readable: indented, with secrets that were hidden as a quiet mark.

import { h } from "./dom.js";
import { payloadField } from "./fields.js";
import { readable } from "./readable.js";

/** What stands in the place of something that is not kept, and why. */
const MARKS = {
  "[REDACTED]": "Hidden before it was stored",
  "[TRUNCATED]": "Cut to keep within the limits",
};
/** A payload may have many thousand lines; nobody reads them all. */
const LINES_MAX = 1500;

/** The quiet mark for a text that stands in the place of another, or nothing if it is a text like any other. */
export function markOf(text) {
  return Object.hasOwn(MARKS, text) ? h("span", { class: "hidden-value", title: MARKS[text] }, text) : null;
}

/**
 * @param {import("./json.js").Json} json
 * @param {{ filter?: ((filter: { name: string, value: string }) => void) | null }} [options]
 *   with `filter`, values can be pressed to ask for records that have them at this place
 */
export function payload(json, { filter = null } = {}) {
  const code = h("code");
  const block = h("pre", { class: "payload", tabindex: "0", role: "group", "aria-label": "JSON" }, code);
  show(LINES_MAX);
  return block;

  function show(max) {
    const lines = { left: max };
    const content = render(json, "", [], filter, lines);
    code.replaceChildren(...content.flat(Infinity));
    if (lines.left <= 0) {
      code.append("\n", h("button", { type: "button", class: "button", onclick: () => show(Infinity) }, "Show all of it"));
    }
  }
}

function render(json, indent, steps, filter, lines) {
  const deeper = `${indent}  `;
  if (json.kind === "object" && json.members.length > 0) {
    const members = [];
    json.members.forEach(([name, value], number) => {
      if ((lines.left -= 1) <= 0) return;
      members.push(
        `\n${deeper}`, h("span", { class: "json-name" }, readable(JSON.stringify(name))), ": ",
        render(value, deeper, [...steps, name], filter, lines), number < json.members.length - 1 ? "," : "",
      );
    });
    return ["{", members, `\n${indent}}`];
  }
  if (json.kind === "array" && json.items.length > 0) {
    const items = [];
    json.items.forEach((value, number) => {
      if ((lines.left -= 1) <= 0) return;
      items.push(`\n${deeper}`, render(value, deeper, [...steps, String(number)], filter, lines), number < json.items.length - 1 ? "," : "");
    });
    return ["[", items, `\n${indent}]`];
  }
  return [scalar(json, steps, filter)];
}

function scalar(json, steps, filter) {
  const mark = json.kind === "string" && markOf(json.value);
  if (mark) return mark;
  const kind = `json-${json.kind}`;
  const value = json.kind === "string" ? json.value : json.text;
  const name = filter && json.kind !== "object" && json.kind !== "array" && json.kind !== "null" && payloadField(steps);
  if (!name || value === "" || value.length > 200) return h("span", { class: kind }, readable(json.text));
  return h(
    "button",
    { type: "button", class: `json-value ${kind}`, title: `Find records with this ${readable(steps.join("."))}`, onclick: () => filter({ name, value }) },
    readable(json.text),
  );
}
