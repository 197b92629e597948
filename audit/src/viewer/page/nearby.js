// Which records are near one: of the same request, of its actor around that time, and of
// the same thing.

import * as api from "./api.js";
import { h } from "./dom.js";
import { failure } from "./failure.js";
import { outcomeOf } from "./outcome.js";
import { readable } from "./readable.js";
import { timeElement, toParameter } from "./time.js";

const SHOWN = 15;
/** How long before and after it an actor's records are of interest. */
const AROUND_MS = 15 * 60_000;

/** The questions, as the API takes them. */
function questions(record) {
  const { actor, http, resource } = record;
  const at = Date.parse(record.occurred_at);
  return [
    http && { label: "Same request", query: { request_id: http.request_id, from: "all" } },
    http?.trace_id && { label: "Same trace", query: { trace_id: http.trace_id, from: "all" } },
    actor.id && {
      label: "Actor, ±15 min",
      query: { actor: actor.id, from: toParameter(at - AROUND_MS), to: toParameter(at + AROUND_MS) },
    },
    resource?.id && {
      label: "History of the resource",
      query: { ...(resource.type && { resource_type: resource.type }), resource_id: resource.id, from: "all" },
    },
  ].filter(Boolean);
}

/**
 * Tabs that ask when they are pressed: each is a query of its own, which is recorded.
 *
 * @param {any} record
 * @param {{ open: (id: string) => void, linkTo: (id: string) => string, show: (query: Record<string, string>) => void }} options
 */
export function nearby(record, { open, linkTo, show }) {
  const all = questions(record);
  if (all.length === 0) return h("p", { class: "note" }, "It has no request, no actor and no resource to go by.");
  const body = h("div", { class: "nearby-body", "aria-live": "polite" });
  const buttons = all.map((question) =>
    h("button", { type: "button", class: "tab", "aria-pressed": "false", onclick: () => choose(question) }, question.label),
  );
  let request = new AbortController();

  async function choose(question) {
    request.abort();
    request = new AbortController();
    const { signal } = request;
    buttons.forEach((button, number) => button.setAttribute("aria-pressed", String(all[number] === question)));
    body.replaceChildren(h("div", { class: "skeleton" }));
    const query = new URLSearchParams(question.query);
    if (query.get("from") === "all") query.delete("from");
    try {
      const page = await api.records(query, { limit: SHOWN, signal });
      body.replaceChildren(
        h("ol", { class: "nearby-list" }, page.records.map(entry)),
        h(
          "button", { type: "button", class: "button small", onclick: () => show(question.query) },
          page.next ? "Show these and all others in the list" : "Show in the list",
        ),
      );
    } catch (problem) {
      if (!signal.aborted) body.replaceChildren(failure(problem, { retry: () => choose(question) }));
    }
  }

  function entry({ id, record: other }) {
    const isSelf = id === record.id;
    return h(
      "li",
      { "aria-current": isSelf ? "true" : null },
      h(
        "a",
        { href: linkTo(id), onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          if (!isSelf) open(id);
        } },
        timeElement(other.occurred_at),
        h("span", { class: "nearby-action" }, readable(other.action)),
        h("span", { class: "nearby-actor" }, readable(other.actor.id ?? other.actor.kind)),
        h("span", { class: "outcome" }, outcomeOf(other)),
      ),
    );
  }

  return h("div", { class: "nearby" }, h("div", { class: "tabs" }, buttons), body);
}
