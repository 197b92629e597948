// What went wrong, and what to do about it.

import { h, icon, prose } from "./dom.js";

/** How often something is tried again by itself. */
const TRIES_MAX = 3;
const WAIT_S = 5;

/**
 * A box with the problem's own words. What may pass is tried again after a while.
 *
 * @param {import("./api.js").Problem} problem
 * @param {{ retry: () => void, tries?: number, actions?: Node[] }} options
 * @returns {HTMLElement & { stop: () => void }}
 */
export function failure(problem, { retry, tries = 0, actions = [] }) {
  const again = h("button", { type: "button", class: "button primary", onclick: () => { stop(); retry(); } }, "Try again");
  const element = h(
    "div",
    { class: "failure", role: "alert" },
    icon("warning"),
    h("h2", null, problem.title || "Something went wrong here"),
    h("p", null, prose(problem.detail || String(problem.message))),
    h("div", { class: "failure-actions" }, again, actions),
    problem.code && h("p", { class: "failure-code" }, `${problem.status} · ${problem.code}`),
  );
  let timer = 0;
  const stop = () => clearInterval(timer);
  if (problem.isPassing && tries < TRIES_MAX) {
    let left = problem.retryAfterS ?? WAIT_S;
    const show = () => { again.textContent = `Try again (by itself in ${left} s)`; };
    show();
    timer = setInterval(() => {
      left -= 1;
      if (!element.isConnected) stop();
      else if (left > 0) show();
      else { stop(); retry(); }
    }, 1000);
  }
  return Object.assign(element, { stop });
}
