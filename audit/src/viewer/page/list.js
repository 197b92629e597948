// The list and what stands in its place: the first page, older ones, records that come,
// nothing, or what went wrong.

import * as api from "./api.js";
import { h, icon, say } from "./dom.js";
import { failure } from "./failure.js";
import { labelOf } from "./fields.js";
import { onPreferences } from "./preferences.js";
import { rangeLabel } from "./range.js";
import { readable } from "./readable.js";
import { query } from "./state.js";
import { ROWS_MAX, table } from "./table.js";
import { refreshTimes } from "./time.js";

const PAGE = 100;
/** How often ages such as "3 min ago" are counted anew. */
const REFRESH_MS = 30_000;

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {(id: string) => string} options.linkTo
 * @param {(id: string) => void} options.open
 * @param {(filter: { name: string, value: string }) => void} options.filter
 * @param {(filter: { name: string, value: string }) => void} options.remove
 * @param {(range: { from: string, to: string }) => void} options.range
 * @param {() => void} options.turn
 * @param {(problem: api.Problem) => boolean} options.refused whether somebody else deals with it
 */
export function recordList(root, { linkTo, open, filter, remove, range, turn, refused }) {
  const rows = table({ linkTo, open, filter, turn });
  /** @type {Map<string, api.Stored>} */
  const known = new Map();
  let state = null;
  let next = null;
  let isLoading = false;
  /** Records that come while the first page is on its way, which may not hold them. */
  let early = null;
  let tries = 0;
  let request = new AbortController();

  const newest = h("div", { class: "list-note", hidden: true });
  const foot = h("div", { class: "list-foot" });
  const instead = h("div", { class: "instead" });
  root.append(newest, rows.element, instead, foot);

  // The next page is asked for shortly before somebody gets there.
  const nearEnd = new IntersectionObserver(([entry]) => { if (entry.isIntersecting) older(); }, { root: root.parentElement, rootMargin: "600px" });
  nearEnd.observe(foot);
  onPreferences(() => refreshTimes(root));
  setInterval(() => { if (!document.hidden) refreshTimes(root); }, REFRESH_MS);

  async function load(nextState) {
    state = nextState;
    request.abort();
    request = new AbortController();
    const { signal } = request;
    next = null;
    isLoading = true;
    early = [];
    rows.setOrder(state.order);
    root.setAttribute("aria-busy", "true");
    foot.replaceChildren();
    if (rows.count === 0) waiting();
    try {
      const page = await api.records(query(state), { limit: PAGE, order: state.order, signal });
      tries = 0;
      rows.clear();
      known.clear();
      newest.hidden = true;
      instead.replaceChildren();
      add(page);
      early.forEach(put);
      if (rows.count === 0) nothing();
      say(`${page.records.length}${page.next ? " and more" : ""} records`);
    } catch (problem) {
      if (signal.aborted) return;
      rows.clear();
      known.clear();
      rows.element.hidden = true;
      if (refused(problem)) return;
      tries += 1;
      const actions = problem.code === "query_timed_out" ? [rangeButton("-1h", "Only the last hour"), rangeButton("-24h", "Only the last 24 hours")] : [];
      instead.replaceChildren(failure(problem, { retry: () => load(state), tries: tries - 1, actions }));
    } finally {
      if (!signal.aborted) {
        isLoading = false;
        early = null;
        root.setAttribute("aria-busy", "false");
      }
    }
  }

  async function older() {
    if (!next || isLoading) return;
    const { signal } = request;
    isLoading = true;
    foot.replaceChildren(h("p", { class: "note" }, "Loading…"));
    try {
      const page = await api.records(query(state), { limit: PAGE, order: state.order, cursor: next, signal });
      add(page);
    } catch (problem) {
      if (signal.aborted || refused(problem)) return;
      foot.replaceChildren(failure(problem, { retry: older, tries: Infinity }));
    } finally {
      if (!signal.aborted) isLoading = false;
    }
  }

  function add(page) {
    const dropped = rows.append(page.records);
    for (const stored of page.records) keep(stored);
    rows.element.hidden = rows.count === 0;
    next = page.next;
    if (dropped > 0) {
      newest.replaceChildren(
        `The last ${ROWS_MAX.toLocaleString("en")} are shown. `,
        h("button", { type: "button", class: "button small", onclick: () => { rows.clear(); load(state); } }, "Back to the beginning"),
      );
      newest.hidden = false;
    }
    const further = state.order === "asc" ? "Load newer records" : "Load older records";
    foot.replaceChildren(
      next
        ? h("button", { type: "button", class: "button", onclick: older }, further)
        : h("p", { class: "note" }, rows.count > 0 ? `That is all in this range (${rangeLabel(state)}).` : ""),
    );
    // What is in view already is not seen to come into view.
    if (next) {
      nearEnd.unobserve(foot);
      nearEnd.observe(foot);
    }
  }

  function put(stored) {
    if (!rows.insert(stored)) return false;
    keep(stored);
    rows.element.hidden = false;
    instead.replaceChildren();
    return true;
  }

  function keep(stored) {
    known.set(stored.id, stored);
    for (const id of known.keys()) {
      if (known.size <= ROWS_MAX) break;
      known.delete(id);
    }
  }

  function waiting() {
    rows.element.hidden = true;
    instead.replaceChildren(h("div", { class: "skeleton-rows", "aria-hidden": "true" }, Array.from({ length: 12 }, () => h("div", { class: "skeleton" }))));
  }

  function rangeButton(from, label) {
    return h("button", { type: "button", class: "button", onclick: () => range({ from, to: "" }) }, label);
  }

  function nothing() {
    const { filters } = state;
    instead.replaceChildren(
      h(
        "div",
        { class: "nothing" },
        icon("search"),
        h("h2", null, filters.length > 0 ? "No record matches" : "Nothing was recorded"),
        h("p", null, `In this range: ${rangeLabel(state)}.`),
        filters.length > 0 && h(
          "ul",
          { class: "nothing-filters", "aria-label": "Ask for less" },
          filters.map((asked) =>
            h("li", null, h("button", { type: "button", class: "button small", onclick: () => remove(asked) },
              icon("close"), `without ${readable(`${labelOf(asked.name)} ${asked.value}`)}`))),
        ),
        h("div", { class: "failure-actions" }, state.from !== "-30d" && rangeButton("-30d", "Last 30 days"), state.from !== "all" && rangeButton("all", "All time")),
      ),
    );
  }

  return {
    load,
    older,
    /** A record that has just come. Says whether it was new. */
    insert(stored) {
      early?.push(stored);
      return put(stored);
    },
    /** A record that is at hand, if it is. */
    stored: (id) => known.get(id),
    mark: rows.mark,
    neighbour: rows.neighbour,
    focus: rows.focus,
    reveal: rows.reveal,
    get focusedId() { return rows.focusedId; },
  };
}
