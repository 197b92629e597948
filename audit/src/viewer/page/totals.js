// How many records there are, by how they ended: the legend of the chart, and a filter.

import { h } from "./dom.js";
import { OUTCOME_MEANINGS, OUTCOMES } from "./fields.js";
import { outcomeSign } from "./outcome.js";

/**
 * @param {HTMLElement} root
 * @param {{ toggle: (outcome: string) => void, wider: () => void }} options
 */
export function totals(root, { toggle }) {
  let counts = new Map();
  let total = null;
  let asked = [];

  function show() {
    if (total === null) {
      root.replaceChildren(h("p", { class: "total" }, " "));
      return;
    }
    root.replaceChildren(
      h("p", { class: "total" }, h("strong", null, total.toLocaleString("en")), total === 1 ? " record" : " records"),
      h(
        "ul",
        { class: "legend", "aria-label": "By outcome" },
        OUTCOMES.filter((outcome) => counts.get(outcome) || asked.includes(outcome)).map((outcome) =>
          h("li", null, h(
            "button",
            {
              type: "button", class: "legend-item", "aria-pressed": String(asked.includes(outcome)), title: OUTCOME_MEANINGS[outcome],
              onclick: () => toggle(outcome),
            },
            outcomeSign(outcome), h("span", null, outcome), h("span", { class: "legend-count" }, (counts.get(outcome) ?? 0).toLocaleString("en")),
          ))),
      ),
    );
  }

  return {
    /** @param {{ total: number, buckets: { outcomes: Record<string, number> }[] } | null} stats */
    update(stats, state) {
      total = stats?.total ?? null;
      counts = new Map();
      for (const { outcomes } of stats?.buckets ?? []) {
        for (const [outcome, count] of Object.entries(outcomes)) counts.set(outcome, (counts.get(outcome) ?? 0) + count);
      }
      asked = state.filters.filter(({ name }) => name === "outcome").map(({ value }) => value);
      show();
    },
    count({ outcome }) {
      if (total === null) return;
      total += 1;
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      show();
    },
    fail(problem) {
      total = null;
      root.replaceChildren(h("p", { class: "total-problem", role: "status", title: problem.detail }, `Not counted: ${problem.title}`));
    },
  };
}
