// The routes beside the page. All that is refused becomes a `Problem`, with what the
// service says about it.

import { member, read } from "./json.js";

/** `/audit/`, wherever it is mounted. */
export const BASE = new URL("../", import.meta.url);

/** What went wrong, as problem documents (RFC 9457) tell it. */
export class Problem extends Error {
  constructor({ status = 0, code = "", title = "", detail = "", retryAfterS = null }) {
    super(title);
    Object.assign(this, { status, code, title, detail, retryAfterS });
  }

  /** Whether the same may be answered a moment later. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || (this.status === 503 && this.code !== "query_timed_out");
  }
}

/** The problem of a response that is none of success. */
export async function problemOf(response) {
  const after = Number(response.headers.get("retry-after"));
  const retryAfterS = Number.isFinite(after) && after > 0 ? Math.min(after, 300) : null;
  let document = {};
  try {
    document = await response.json();
  } catch {
    // A proxy before the service has answers of its own, which nobody can read.
  }
  return new Problem({
    status: response.status,
    code: document.code,
    title: document.title ?? `The service answered ${response.status}`,
    detail: document.detail ?? "Something between this page and the service may have answered in its place.",
    retryAfterS,
  });
}

/** Asks for `path` below `/audit/`. Refusals are thrown as a `Problem`. */
async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(new URL(path, BASE), { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({
      title: "The service cannot be reached",
      detail: "Check the connection, or whether the service is running.",
    });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/**
 * A record, and its text as it is stored.
 * @typedef {object} Stored
 * @property {string} id
 * @property {any} record
 * @property {string} text its canonical bytes
 */

/** @param {string} text @returns {Stored} */
export function stored(text) {
  const record = JSON.parse(text);
  return { id: record.id, record, text };
}

/**
 * A page of records.
 * @param {URLSearchParams} query
 * @returns {Promise<{ records: Stored[], next: string | null }>}
 */
export async function records(query, { limit = 100, order = "desc", cursor = null, signal = undefined } = {}) {
  const parameters = new URLSearchParams(query);
  parameters.set("limit", String(limit));
  if (order === "asc") parameters.set("order", "asc");
  if (cursor) parameters.set("cursor", cursor);
  const response = await ask(`records?${parameters}`, { signal });
  const page = read(await response.text());
  return {
    records: (member(page, "records")?.items ?? []).map(({ text }) => stored(text)),
    next: member(page, "next")?.value ?? null,
  };
}

/** One record. @returns {Promise<Stored>} */
export async function record(id, { signal = undefined } = {}) {
  const response = await ask(`records/${encodeURIComponent(id)}`, { signal });
  return stored(await response.text());
}

/** Counts over time and by value. @param {URLSearchParams} query @param {string[]} by */
export async function stats(query, by, { signal = undefined } = {}) {
  const parameters = new URLSearchParams(query);
  for (const dimension of by) parameters.append("by", dimension);
  const response = await ask(`stats?${parameters}`, { signal });
  return response.json();
}

/** Who is signed in. */
export async function session() {
  return (await (await ask("ui/session")).json()).actor;
}

/** Puts a token into the cookie, if it is good enough. @param {string} token */
export async function signIn(token) {
  await ask("ui/session", { method: "POST", headers: { authorization: `Bearer ${token}` } });
}

export async function signOut() {
  await ask("ui/session", { method: "DELETE" });
}

/** Where a file of what is found can be had. @param {URLSearchParams} query @param {"ndjson" | "csv"} format */
export function exportUrl(query, format) {
  const parameters = new URLSearchParams(query);
  parameters.set("format", format);
  return new URL(`export?${parameters}`, BASE).href;
}

/** A command that asks the same. @param {string} url */
export function curl(url) {
  const quoted = `'${url.replaceAll("'", String.raw`'\''`)}'`;
  return `curl -H "Authorization: Bearer $TOKEN" ${quoted}`;
}
