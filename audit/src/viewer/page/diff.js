// What an attempt changed: each field with what was there and what is there now.

import { h } from "./dom.js";
import { markOf, payload } from "./payload.js";
import { readable } from "./readable.js";

/**
 * @param {import("./json.js").Json[]} changes
 * @param {(json: import("./json.js").Json, name: string) => import("./json.js").Json | undefined} member
 */
export function diff(changes, member) {
  return h(
    "ul",
    { class: "diff" },
    changes.map((change) => {
      const before = member(change, "old");
      const after = member(change, "new");
      const [oldText, newText] = texts(before, after);
      return h(
        "li",
        null,
        h("div", { class: "diff-path" }, readable(member(change, "path")?.value || "the whole")),
        !isNothing(before) && side("removed", "−", "was", oldText),
        !isNothing(after) && side("added", "+", "is now", newText),
        isNothing(before) && isNothing(after) && side("", " ", "", h("span", { class: "json-null" }, "null")),
      );
    }),
  );
}

function side(kind, sign, spoken, content) {
  return h(
    "div",
    { class: `diff-side ${kind}` },
    h("span", { class: "diff-sign", "aria-hidden": "true" }, sign),
    h("span", { class: "visually-hidden" }, `${spoken} `),
    content,
  );
}

function isNothing(json) {
  return !json || json.kind === "null";
}

/** Both sides; where both are texts, with what differs marked. */
function texts(before, after) {
  if (before?.kind === "string" && after?.kind === "string") {
    const [head, tail] = common(before.value, after.value);
    return [marked(before.value, head, tail), marked(after.value, head, tail)];
  }
  return [shown(before), shown(after)];
}

function shown(json) {
  if (isNothing(json)) return null;
  if (json.kind === "object" || json.kind === "array") return payload(json);
  return (json.kind === "string" && markOf(json.value)) || h("code", { class: `json-${json.kind}` }, readable(json.text));
}

/** How many characters two texts share at their beginnings and at their ends. */
function common(one, other) {
  const a = [...one];
  const b = [...other];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  return [head, tail];
}

function marked(text, head, tail) {
  const mark = markOf(text);
  if (mark) return mark;
  const characters = [...text];
  const middle = characters.slice(head, characters.length - tail).join("");
  // Where nearly nothing is shared, marks only disturb.
  const isWorthIt = head + tail > characters.length / 4;
  return h(
    "code",
    { class: "json-string" },
    '"',
    readable(characters.slice(0, head).join("")),
    isWorthIt ? h("mark", null, readable(middle)) : readable(middle),
    readable(characters.slice(characters.length - tail).join("")),
    '"',
  );
}
