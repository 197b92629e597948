// How an attempt ended: a sign, and the word or the status beside it. The colour only helps.

import { h, icon } from "./dom.js";
import { OUTCOMES } from "./fields.js";

/** The sign of an outcome. */
export function outcomeSign(outcome) {
  const known = OUTCOMES.includes(outcome) ? outcome : "unknown";
  return h("span", { class: `sign ${known}`, "aria-hidden": "true" }, icon(known));
}

/** @param {any} record */
export function outcomeOf(record) {
  const status = record.http?.status;
  return [outcomeSign(record.outcome), h("span", { class: "outcome-word" }, record.outcome), status ? h("span", { class: "outcome-status" }, String(status)) : null];
}
