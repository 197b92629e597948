// What can be done with what is found, and how things are shown.

import * as api from "./api.js";
import { copy, h, icon } from "./dom.js";
import { choice, menu } from "./menu.js";
import { prefer, preferences } from "./preferences.js";

/** Files of what is found, and the same question elsewhere. */
export function exportMenu({ query, link }) {
  return menu({
    label: "Export and copy",
    icon: "download",
    content: (close) => {
      const file = (format, label, hint) =>
        h("a", { class: "item", href: api.exportUrl(query(), format), download: "", onclick: () => close() }, label, h("span", { class: "note" }, hint));
      const copied = (label, hint, what, text) =>
        h("button", { type: "button", class: "item", onclick: () => { close(); copy(text(), what); } }, label, h("span", { class: "note" }, hint));
      return [
        h("div", { class: "items" },
          file("ndjson", "Export NDJSON", "the stored bytes"),
          file("csv", "Export CSV", "for spreadsheets"),
          copied("Copy as curl", "the same question", "Command", () => api.curl(new URL(`records?${query()}`, api.BASE).href)),
          copied("Copy export as curl", "any size", "Command", () => api.curl(api.exportUrl(query(), "ndjson"))),
          copied("Copy link", "with fixed times", "Link", link)),
      ];
    },
  });
}

/** How things are shown. */
export function displayMenu() {
  return menu({
    label: "Display",
    icon: "sliders",
    content: () => [
      choice({ legend: "Times", name: "times", options: { absolute: "Absolute", relative: "Relative" }, value: preferences.times, onchange: (times) => prefer({ times }) }),
      choice({ legend: "Zone", name: "zone", options: { local: "Local", utc: "UTC" }, value: preferences.zone, onchange: (zone) => prefer({ zone }) }),
      choice({
        legend: "Theme", name: "theme", options: { system: "System", light: "Light", dark: "Dark" }, value: preferences.theme,
        onchange: (theme) => prefer({ theme }),
      }),
    ],
  });
}

/** Who is signed in, and the way out. */
export function userMenu({ signOut }) {
  let actor = null;
  const root = menu({
    label: "Signed in",
    icon: "user",
    content: (close) => [
      h("p", { class: "who" }, h("strong", null, actor?.id ?? actor?.kind ?? "Signed in"), h("span", { class: "note" }, actor?.roles.join(", ") ?? "")),
      h("button", { type: "button", class: "item", onclick: () => { close(); signOut(); } }, "Sign out"),
    ],
  });
  return Object.assign(root, { show(next) { actor = next; } });
}

/** The switch of the live tail. */
export function liveControls({ toggle, pause }) {
  const dot = h("span", { class: "live-dot", "aria-hidden": "true" });
  const text = h("span", { class: "button-text" }, "Live");
  const button = h("button", { type: "button", class: "button quiet live", "aria-pressed": "false", title: "Show records as they come (l)", onclick: toggle }, dot, text);
  const hold = h("button", { type: "button", class: "button quiet", hidden: true, onclick: pause });
  const root = h("div", { class: "live-controls" }, button, hold);
  return Object.assign(root, {
    /** @param {{ isOn: boolean, isOpen: boolean, isPaused: boolean, waiting: number }} tail */
    show({ isOn, isOpen, isPaused, waiting }) {
      button.setAttribute("aria-pressed", String(isOn));
      root.classList.toggle("is-on", isOn);
      root.classList.toggle("is-open", isOn && isOpen);
      root.classList.toggle("is-paused", isPaused);
      hold.hidden = !isOn;
      const label = isPaused ? `Resume${waiting ? ` (${waiting} new)` : ""}` : "Pause";
      hold.replaceChildren(icon(isPaused ? "play" : "pause"), h("span", { class: "button-text" }, label));
      hold.setAttribute("aria-label", label);
      hold.title = `${label} (p)`;
    },
  });
}
