// What can be asked for: the API's parameters, as people see them.

/**
 * @typedef {object} Field
 * @property {string} name of the parameter
 * @property {string} label
 * @property {string} hint
 * @property {string} [stats] what `/audit/stats?by=` calls it, where it counts values
 * @property {string[]} [values] where there are only these
 */

export const OUTCOMES = ["success", "rejected", "denied", "failed", "aborted", "unknown"];

/** What each outcome means, for whoever points at it. */
export const OUTCOME_MEANINGS = {
  success: "Answered with 2xx or 3xx",
  rejected: "Answered with 4xx: the request was at fault",
  denied: "Answered with 401 or 403: the actor was not allowed to",
  failed: "Answered with 5xx, or the handler panicked",
  aborted: "The client went away before there was an answer",
  unknown: "The process died in the middle; found out after its restart",
};

/** @type {Field[]} */
export const FIELDS = [
  { name: "actor", label: "Actor", hint: "who it was, such as alice", stats: "actor" },
  { name: "action", label: "Action", hint: "what was tried; create_* for all that begin so", stats: "action" },
  { name: "outcome", label: "Outcome", hint: "how it ended", stats: "outcome", values: OUTCOMES },
  { name: "resource_type", label: "Resource type", hint: "what kind of thing, such as item", stats: "resource_type" },
  { name: "resource_id", label: "Resource id", hint: "which one" },
  { name: "status", label: "Status", hint: "404, or 4xx for all of them", values: ["2xx", "3xx", "4xx", "5xx"] },
  { name: "method", label: "Method", hint: "of the request", values: ["GET", "POST", "PUT", "PATCH", "DELETE"] },
  { name: "route", label: "Route", hint: "its pattern, such as /items/{item_id}", stats: "route" },
  { name: "ip", label: "Address", hint: "192.0.2.7, or a network: 192.0.2.0/24" },
  { name: "request_id", label: "Request id", hint: "the X-Request-Id of the response" },
  { name: "trace_id", label: "Trace id", hint: "of the traceparent" },
  { name: "q", label: "Words", hint: "words anywhere in the payloads" },
];

const PAYLOAD = "payload.";

/** Whether the API has a filter of this name. */
export function isField(name) {
  return FIELDS.some((field) => field.name === name) || (name.startsWith(PAYLOAD) && name.length > PAYLOAD.length);
}

/** What people call it. */
export function labelOf(name) {
  if (name.startsWith(PAYLOAD)) return name.slice(PAYLOAD.length);
  return FIELDS.find((field) => field.name === name)?.label ?? name;
}

/**
 * The filter for a place in a request, or nothing where a path cannot say it.
 * @param {string[]} steps
 */
export function payloadField(steps) {
  const sayable = steps.length > 0 && steps.length <= 32 && steps.every((step) => step !== "" && !step.includes("."));
  return sayable ? PAYLOAD + steps.join(".") : null;
}
