// The state of the screen is its URL: what is asked for, and which record is open.
// Names and values are those of the API, so a link reads like a query.

import { isField } from "./fields.js";

/**
 * @typedef {{ name: string, value: string }} Filter
 *
 * @typedef {object} State
 * @property {Filter[]} filters
 * @property {string} from a time, an age such as `-24h`, or `all`
 * @property {string} to a time, or empty for now
 * @property {"desc" | "asc"} order
 * @property {string} record the id of the one that is open, or empty
 * @property {boolean} live whether new records are shown as they come
 */

export const DEFAULT_FROM = "-24h";
/** The most filters that are taken from a URL: the API takes no more. */
const FILTERS_MAX = 90;

/**
 * Reads a query string; what nobody knows is left out.
 * @param {string} search
 * @returns {State}
 */
export function parse(search) {
  const parameters = new URLSearchParams(search);
  const filters = [];
  for (const [name, value] of parameters) {
    if (isField(name) && value !== "" && filters.length < FILTERS_MAX && !has(filters, { name, value })) {
      filters.push({ name, value });
    }
  }
  const to = parameters.get("to") ?? "";
  return {
    filters,
    from: parameters.get("from") || DEFAULT_FROM,
    to,
    order: parameters.get("order") === "asc" ? "asc" : "desc",
    record: parameters.get("record") ?? "",
    live: parameters.has("live") && to === "",
  };
}

/** The query string of a state. @param {State} state */
export function serialise(state) {
  const parameters = new URLSearchParams();
  for (const { name, value } of state.filters) parameters.append(name, value);
  parameters.set("from", state.from);
  if (state.to) parameters.set("to", state.to);
  if (state.order === "asc") parameters.set("order", "asc");
  if (state.live) parameters.set("live", "1");
  if (state.record) parameters.set("record", state.record);
  return `?${parameters}`;
}

/**
 * What a state asks of the API.
 * @param {State} state
 * @param {{ range?: boolean, without?: string }} [options]
 */
export function query(state, { range = true, without } = {}) {
  const parameters = new URLSearchParams();
  for (const { name, value } of state.filters) {
    if (name !== without) parameters.append(name, value);
  }
  if (range && state.from !== "all") parameters.set("from", state.from);
  if (range && state.to) parameters.set("to", state.to);
  return parameters;
}

/** Whether these filters hold this one. @param {Filter[]} filters @param {Filter} filter */
export function has(filters, filter) {
  return filters.some(({ name, value }) => name === filter.name && value === filter.value);
}
