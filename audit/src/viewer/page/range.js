// Which time is looked at: the last so and so much, or from one moment to another.

import { choice, menu } from "./menu.js";
import { dateTime, fromField, instantMs, toField, toParameter, zoneName } from "./time.js";
import { h } from "./dom.js";
import { onPreferences, prefer, preferences } from "./preferences.js";

const RANGES = {
  "-15m": "Last 15 minutes",
  "-1h": "Last hour",
  "-24h": "Last 24 hours",
  "-7d": "Last 7 days",
  "-30d": "Last 30 days",
  all: "All time",
};

/** What a range is called. @param {{ from: string, to: string }} range */
export function rangeLabel({ from, to }) {
  if (!to && RANGES[from]) return RANGES[from];
  const name = (text, none) => {
    if (!text || text === "all") return none;
    const ms = instantMs(text);
    return text.startsWith("-") || ms === null ? text : dateTime(ms);
  };
  return `${name(from, "the beginning")} – ${name(to, "now")}`;
}

/**
 * @param {HTMLElement} root
 * @param {{ change: (range: { from: string, to: string }) => void }} options
 */
export function rangePicker(root, { change }) {
  let range = { from: "-24h", to: "" };
  const picker = menu({ label: "Time range", icon: "clock", hasText: true, class: "range", content });
  const text = picker.button.querySelector(".button-text");
  root.append(picker);
  onPreferences(show);

  function show() {
    const label = rangeLabel(range);
    text.textContent = label;
    picker.button.title = `Time range: ${label}`;
    picker.button.setAttribute("aria-label", `Time range: ${label}`);
  }

  function content(close) {
    const choose = (next) => { close(); change(next); };
    const quick = Object.entries(RANGES).map(([from, label]) =>
      h(
        "button",
        { type: "button", class: "item", "aria-pressed": String(!range.to && range.from === from), onclick: () => choose({ from, to: "" }) },
        label,
        h("kbd", null, from),
      ),
    );
    const field = (value, none) => {
      const ms = value && value !== "all" ? instantMs(value) : none;
      return ms === null ? "" : toField(ms);
    };
    const from = h("input", { type: "datetime-local", step: "1", value: field(range.from, null) });
    const to = h("input", { type: "datetime-local", step: "1", value: field(range.to, null) });
    const complaint = h("p", { class: "complaint", role: "alert" });
    const apply = (event) => {
      event.preventDefault();
      const [fromMs, toMs] = [fromField(from.value), fromField(to.value)];
      if (fromMs !== null && toMs !== null && fromMs >= toMs) {
        complaint.textContent = "The beginning lies behind the end: exchange them.";
        return;
      }
      choose({ from: fromMs === null ? "all" : toParameter(fromMs), to: toMs === null ? "" : toParameter(toMs) });
    };
    return [
      h("div", { class: "items" }, quick),
      h(
        "form",
        { class: "custom-range", onsubmit: apply },
        h("label", null, `From (${zoneName()})`, from),
        h("label", null, "To, or empty for now", to),
        complaint,
        h("button", { type: "submit", class: "button primary" }, "Apply"),
      ),
      choice({
        legend: "Times are", name: "range-zone", options: { local: "Local", utc: "UTC" }, value: preferences.zone,
        onchange: (zone) => { prefer({ zone }); close(); },
      }),
    ];
  }

  return {
    update(state) {
      range = { from: state.from, to: state.to };
      show();
    },
    open: () => picker.button.click(),
  };
}
