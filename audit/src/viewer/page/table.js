// The list of records: who did what, when, to what, and did it work, one on a line.

import { h, icon } from "./dom.js";
import { labelOf } from "./fields.js";
import { outcomeOf } from "./outcome.js";
import { readable } from "./readable.js";
import { timeElement } from "./time.js";

/** The most rows that are kept: further ones push out those at the other end. */
export const ROWS_MAX = 1000;

/**
 * @param {object} options
 * @param {(id: string) => string} options.linkTo where a record is
 * @param {(id: string, row: HTMLElement) => void} options.open
 * @param {(filter: { name: string, value: string }) => void} options.filter
 * @param {() => void} options.turn the order around
 */
export function table({ linkTo, open, filter, turn }) {
  const body = h("tbody", { role: "rowgroup" });
  const order = h("button", { type: "button", class: "sort", onclick: turn }, h("span", null, "Time"));
  const timeHead = h("th", { role: "columnheader", scope: "col", class: "time" }, order);
  const column = (name, kind) => h("th", { role: "columnheader", scope: "col", class: kind }, name);
  const element = h(
    "table",
    { class: "records", role: "table", "aria-label": "Records" },
    h(
      "thead",
      { role: "rowgroup" },
      h("tr", { role: "row" }, timeHead, column("Actor", "actor"), column("Action", "action"), column("Resource", "resource"),
        column("Outcome", "outcome"), column("Route", "route"), column("Address", "ip")),
    ),
    body,
  );

  /** @type {Map<string, HTMLTableRowElement>} */
  const rows = new Map();
  let openId = "";

  function row({ id, record }) {
    const { actor, resource, http, client } = record;
    const element = h(
      "tr",
      {
        role: "row",
        class: record.outcome === "success" ? "row" : "row is-notable",
        data: { id, at: record.occurred_at },
        onclick: (event) => {
          const isOwn = event.target.closest("button, a");
          if (!isOwn && !String(getSelection())) open(id, element);
        },
      },
      cell("time", h(
        "a",
        {
          href: linkTo(id),
          class: "row-link",
          tabindex: "-1",
          onclick: (event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
            event.preventDefault();
            open(id, element);
          },
          onfocus: () => focusable(element),
        },
        timeElement(record.occurred_at),
        h("span", { class: "visually-hidden" }, readable(` ${record.action} by ${actor.id ?? actor.kind}, ${record.outcome}`)),
      )),
      cell("actor", actor.id ? value("actor", actor.id) : h("span", { class: "faint" }, actor.kind)),
      cell("action", value("action", record.action)),
      cell("resource", resource?.type && value("resource_type", resource.type), resource?.id && value("resource_id", resource.id, "id")),
      cell("outcome", value("outcome", record.outcome, "", outcomeOf(record)), record.reason && h("span", { class: "reason" }, readable(record.reason))),
      cell("route", http && [h("span", { class: "method" }, readable(http.method)), value("route", http.route, "", null, http.path)]),
      cell("ip", value("ip", client?.ip)),
    );
    return element;
  }

  function cell(kind, ...content) {
    return h("td", { role: "cell", class: kind }, h("div", { class: "cell" }, content));
  }

  /** Something that can be asked for by pressing it. Whoever uses the keyboard finds it in the panel. */
  function value(name, text, kind = "", content = null, otherwise = "") {
    if (!text) return otherwise ? h("span", { class: "faint" }, readable(otherwise)) : null;
    return h(
      "button",
      {
        type: "button", class: `value ${kind}`, tabindex: "-1", title: `${labelOf(name)}: ${readable(text)}\nPress to filter by it`,
        onclick: () => filter({ name, value: text }),
      },
      content ?? readable(text),
    );
  }

  /** One row alone is on the way of the Tab key; arrows lead to the others. */
  function focusable(element) {
    for (const link of body.querySelectorAll('.row-link[tabindex="0"]')) link.tabIndex = -1;
    linkOf(element).tabIndex = 0;
  }

  const linkOf = (element) => element.querySelector(".row-link");

  function ensureFocusable() {
    if (body.firstElementChild && !body.querySelector('.row-link[tabindex="0"]')) focusable(body.firstElementChild);
  }

  function mark(id) {
    rows.get(openId)?.removeAttribute("aria-current");
    openId = id;
    rows.get(openId)?.setAttribute("aria-current", "true");
  }

  function drop(element) {
    rows.delete(element.dataset.id);
    element.remove();
  }

  return {
    element,
    get count() { return rows.size; },
    clear() {
      rows.clear();
      body.replaceChildren();
    },
    setOrder(direction) {
      timeHead.setAttribute("aria-sort", direction === "asc" ? "ascending" : "descending");
      order.replaceChildren(h("span", null, "Time"), icon(direction === "asc" ? "up" : "down"));
      order.title = direction === "asc" ? "Oldest first; press for newest first" : "Newest first; press for oldest first";
    },
    /** Adds records at the end, and says how many were pushed out at the beginning. */
    append(records) {
      const added = records.filter(({ id }) => !rows.has(id)).map((stored) => {
        const element = row(stored);
        rows.set(stored.id, element);
        return element;
      });
      body.append(...added);
      let dropped = 0;
      while (rows.size > ROWS_MAX) {
        drop(body.firstElementChild);
        dropped += 1;
      }
      mark(openId);
      ensureFocusable();
      return dropped;
    },
    /** Puts a record that has just come where it belongs, newest first; says whether it was new. */
    insert(stored) {
      if (rows.has(stored.id)) return false;
      const element = row(stored);
      element.classList.add("is-new");
      rows.set(stored.id, element);
      const at = stored.record.occurred_at;
      let next = body.firstElementChild;
      while (next && (next.dataset.at > at || (next.dataset.at === at && next.dataset.id > stored.id))) next = next.nextElementSibling;
      body.insertBefore(element, next);
      if (rows.size > ROWS_MAX) drop(body.lastElementChild);
      ensureFocusable();
      return true;
    },
    /** Marks the record that is open. */
    mark,
    /** The id of the record `step` rows further than the one that is open or has the focus. */
    neighbour(step) {
      const current = rows.get(openId) ?? document.activeElement?.closest("tr.row");
      if (!current || !body.contains(current)) return body.firstElementChild?.dataset.id ?? null;
      const next = step > 0 ? current.nextElementSibling : current.previousElementSibling;
      return next?.dataset.id ?? null;
    },
    /** Puts the focus on a record's row. */
    focus(id) {
      const element = rows.get(id);
      if (!element) return false;
      focusable(element);
      linkOf(element).focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
      return true;
    },
    reveal(id) { rows.get(id)?.scrollIntoView({ block: "nearest" }); },
    get focusedId() { return document.activeElement?.closest("tr.row")?.dataset.id ?? null; },
  };
}
