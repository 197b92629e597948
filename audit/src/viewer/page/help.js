// The shortcuts, in a dialog.

import { h, icon } from "./dom.js";

const SHORTCUTS = [
  ["/", "Filter"],
  ["j / ↓", "Next record"],
  ["k / ↑", "Previous record"],
  ["Enter", "Open the record"],
  ["Escape", "Close the record, a menu, or leave the filter"],
  ["l", "Follow new records, or stop"],
  ["p", "Pause or resume"],
  ["o", "Load older records"],
  ["t", "Choose the time range"],
  ["u", "Local time or UTC"],
  ["r", "Ask again"],
  ["?", "This help"],
];

/** @returns {{ open: () => void }} */
export function help() {
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h(
      "div",
      { class: "help-content" },
      h("header", null,
        h("h2", { id: "help-title" }, "Keyboard"),
        h("button", { type: "button", class: "button quiet", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
      h("dl", null, SHORTCUTS.map(([keys, meaning]) => h("div", null, h("dt", null, keys.split(" / ").map((key) => h("kbd", null, key))), h("dd", null, meaning)))),
      h("p", { class: "note" }, "Over the chart, arrows move, Shift with arrows chooses a range, and Enter narrows to it. In the filter, "
        + "actor:alice, status:4xx or payload.colour=red ask for a field; other words are looked for in the payloads."),
    ),
  );
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  return { open: () => { if (!dialog.open) dialog.showModal(); } };
}
