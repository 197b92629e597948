// One record, whole: who, what, when, to what and how it ended; what was asked, answered
// and changed; what was hidden; and which other records are near it.

import * as api from "./api.js";
import { diff } from "./diff.js";
import { copy, h, icon } from "./dom.js";
import { failure } from "./failure.js";
import { OUTCOME_MEANINGS } from "./fields.js";
import { member, read } from "./json.js";
import { nearby } from "./nearby.js";
import { outcomeSign } from "./outcome.js";
import { payload } from "./payload.js";
import { onPreferences } from "./preferences.js";
import { readable } from "./readable.js";
import { ago, dateTime, duration, fullTime, refreshTimes, timeElement } from "./time.js";

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {(filter: { name: string, value: string }) => void} options.filter
 * @param {(id: string) => void} options.open
 * @param {(id: string) => string} options.linkTo
 * @param {(query: Record<string, string>) => void} options.show a list of its own
 * @param {() => void} options.close
 * @param {(step: number) => void} options.move to the record before or behind this one
 */
export function panel(root, { filter, open, linkTo, show, close, move }) {
  let current = "";
  let request = new AbortController();
  onPreferences(() => refreshTimes(root));

  function frame(title, ...content) {
    root.setAttribute("aria-busy", "false");
    root.replaceChildren(
      h(
        "header",
        { class: "panel-top" },
        title,
        h(
          "div",
          { class: "panel-moves" },
          button("up", "Previous record (k)", () => move(-1)),
          button("down", "Next record (j)", () => move(1)),
          button("close", "Close (Escape)", close),
        ),
      ),
      h("div", { class: "panel-body", tabindex: "0", role: "group", "aria-label": "The record" }, content),
    );
    root.hidden = false;
  }

  function button(name, label, onclick) {
    return h("button", { type: "button", class: "button quiet", title: label, "aria-label": label, onclick }, icon(name));
  }

  /** @param {api.Stored} stored */
  function render(stored) {
    const { record } = stored;
    const json = read(stored.text);
    const title = h(
      "h2",
      { class: "panel-title", tabindex: "-1" },
      outcomeSign(record.outcome),
      h("span", null, readable(record.action)),
    );
    frame(
      title,
      h(
        "p",
        { class: "sentence" },
        h("strong", null, readable(record.actor.id ?? record.actor.kind)),
        ` ${SENTENCES[record.outcome] ?? record.outcome} `,
        h("time", { datetime: record.occurred_at }, ago(Date.parse(record.occurred_at))),
      ),
      h(
        "div",
        { class: "panel-actions" },
        textButton("link", "Copy link", () => copy(new URL(linkTo(stored.id), location.href).href, "Link")),
        textButton("copy", "Copy id", () => copy(stored.id, "Id")),
        textButton("copy", "Copy JSON", () => copy(stored.text, "JSON")),
        textButton("copy", "Copy as curl", () => copy(api.curl(new URL(`records/${stored.id}`, api.BASE).href), "Command")),
      ),
      facts(record),
      record.changes.length > 0 &&
        section(`Changes (${record.changes.length})`, diff(member(json, "changes").items, member)),
      jsonSection("Request", member(json, "request"), filter),
      jsonSection("Response", member(json, "response")),
      Object.keys(record.notes).length > 0 && jsonSection("Notes", member(json, "notes")),
      hiddenAndCut(record),
      section("Nearby", nearby(record, { open, linkTo, show })),
      section("Details", details(record)),
      h(
        "details",
        { class: "whole" },
        h("summary", null, "The whole record"),
        payload(json),
      ),
    );
    return title;
  }

  /** What is asked first. */
  function facts(record) {
    const { actor, resource, http, client } = record;
    return h(
      "dl",
      { class: "facts" },
      fact(
        "Outcome", value("outcome", record.outcome), http?.status && value("status", String(http.status)),
        record.reason && data(record.reason), h("span", { class: "note" }, OUTCOME_MEANINGS[record.outcome]),
      ),
      fact("When", data(fullTime(record.occurred_at)), h("span", { class: "note" }, `took ${duration(record.duration_us)}`)),
      fact(
        "Actor", actor.id ? value("actor", actor.id) : data(actor.kind),
        h("span", { class: "note" }, readable([actor.id && actor.kind, actor.roles.length > 0 && `as ${actor.roles.join(", ")}`, actor.auth && `by ${actor.auth}`].filter(Boolean).join(" · "))),
      ),
      resource && fact("Resource", resource.type && value("resource_type", resource.type), resource.id && value("resource_id", resource.id)),
      http && fact("Request", value("method", http.method), data(http.query ? `${http.path}?${http.query}` : http.path)),
      client?.ip && fact(
        "Address", value("ip", client.ip),
        client.peer && client.peer !== client.ip && h("span", { class: "note" }, `through ${client.peer}`),
      ),
    );
  }

  /** What is looked up. */
  function details({ id, action, actor, http, client, service, instance, seq }) {
    return h(
      "dl",
      { class: "facts" },
      fact("Action", value("action", action)),
      http?.route && fact("Route", value("route", http.route)),
      http && fact("Request id", value("request_id", http.request_id)),
      http?.trace_id && fact("Trace id", value("trace_id", http.trace_id)),
      actor.credential && fact("Credential", data(actor.credential)),
      client?.user_agent && fact("Program", data(client.user_agent)),
      fact("Written by", data(`${service} ${instance} #${seq}`)),
      fact("Record", data(id)),
    );
  }

  function fact(name, ...content) {
    return h("div", null, h("dt", null, name), h("dd", null, content));
  }

  function data(text) {
    return h("span", { class: "data" }, readable(String(text)));
  }

  function value(name, text) {
    return h(
      "button",
      { type: "button", class: "value", title: "Press to filter by it", onclick: () => filter({ name, value: text }) },
      readable(text),
    );
  }

  return {
    /** The record that is shown. */
    get id() { return current; },
    /**
     * Shows a record, which may be at hand or has to be asked for.
     * @param {string} id
     * @param {{ stored?: api.Stored, focus?: boolean }} options
     */
    async open(id, { stored, focus = false }) {
      request.abort();
      request = new AbortController();
      const { signal } = request;
      current = id;
      let found = stored;
      if (!found) {
        if (root.hidden) frame(h("h2", { class: "panel-title", tabindex: "-1" }, "Record"), h("div", { class: "skeleton" }));
        root.setAttribute("aria-busy", "true");
        try {
          found = await api.record(id, { signal });
        } catch (problem) {
          if (signal.aborted) return;
          const title = h("h2", { class: "panel-title", tabindex: "-1" }, "Record");
          frame(title, failure(problem, { retry: () => this.open(id, { focus }) }));
          if (focus) title.focus();
          return;
        }
      }
      const title = render(found);
      root.querySelector(".panel-body").scrollTop = 0;
      if (focus) title.focus({ preventScroll: true });
    },
    close() {
      request.abort();
      current = "";
      root.hidden = true;
      root.replaceChildren();
    },
  };
}

/** What stands between who and when. */
const SENTENCES = {
  success: "succeeded",
  rejected: "was rejected",
  denied: "was denied",
  failed: "met a failure",
  aborted: "went away",
  unknown: "got an unknown answer",
};

function textButton(name, label, onclick) {
  return h("button", { type: "button", class: "button small", onclick }, icon(name), label);
}

function section(title, ...content) {
  return h("section", { class: "panel-section" }, h("h3", null, title), content);
}

function jsonSection(title, json, filter = null) {
  if (!json || json.kind === "null") return null;
  return section(title, payload(json, { filter }));
}

/** What is not in the record, and why. */
function hiddenAndCut(record) {
  const { redacted, truncated } = record;
  if (redacted.length === 0 && truncated.length === 0) return null;
  return section(
    "Not shown",
    redacted.length > 0 && [
      h("p", { class: "note" }, icon("lock"), "Hidden before anything was written, because of a name, a type or how it looked:"),
      h("ul", { class: "pointers" }, redacted.map((pointer) => h("li", { class: "data" }, readable(pointer)))),
    ],
    truncated.length > 0 && [
      h("p", { class: "note" }, "Cut to keep within the limits:"),
      h("ul", { class: "pointers" }, truncated.map((cut) => h("li", { class: "data" }, readable(cutText(cut))))),
    ],
  );
}

function cutText({ path, bytes, sha256 }) {
  return [path, `${bytes.toLocaleString("en")} bytes`, sha256 && `SHA-256 ${sha256}`].filter(Boolean).join(" · ");
}
