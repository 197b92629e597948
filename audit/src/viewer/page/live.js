// New records as they come, by server-sent events.

import { BASE, Problem, problemOf, stored } from "./api.js";

/** The most records that wait while the tail is paused; what is older is in the list after a reload. */
export const WAITING_MAX = 500;

/**
 * A tail that follows one query until it is stopped.
 *
 * @param {URLSearchParams} query
 * @param {object} options
 * @param {(isOpen: boolean) => void} options.begun called when what was stored before is to be asked for: the
 *   stream has begun, or cannot at the moment and is tried again
 * @param {(record: import("./api.js").Stored) => void} options.came
 * @param {(problem: Problem) => void} options.failed when it ends for good
 * @param {() => void} options.missed when the database has lost its place, and records may have been missed
 * @param {(reason: "transaction" | "standby" | null) => void} options.held while new records are kept back
 */
export function tail(query, { begun, came, failed, missed, held }) {
  const url = new URL(`stream?${query}`, BASE);
  const source = new EventSource(url);
  let isStopped = false;
  let position = "";
  let isWaiting = true;
  let hasBegun = false;

  source.addEventListener("open", () => {
    // After a break the browser says which record was the last one, if there was one, and
    // nothing is missed.
    isWaiting = false;
    hasBegun = true;
    if (position === "") begun(true);
  });
  source.addEventListener("record", (event) => {
    position = event.lastEventId;
    came(stored(event.data));
  });
  // What the service says when it can send no more is its last event.
  source.addEventListener("problem", (event) => {
    source.close();
    const problem = new Problem(JSON.parse(event.data));
    if (isStopped) return;
    if (problem.code === "position_unknown") missed();
    else failed(problem);
  });
  source.addEventListener("held", (event) => held(JSON.parse(event.data).reason));
  source.addEventListener("resumed", () => held(null));
  source.addEventListener("error", async () => {
    if (isStopped) return;
    if (source.readyState !== EventSource.CLOSED) {
      // It connects again by itself. Until it does, there is what was stored before.
      if (isWaiting) begun(false);
      isWaiting = false;
      return;
    }
    const problem = await reason(url);
    if (isStopped) return;
    // A stream that is only refused with its last id has lost its place.
    if (problem === null && hasBegun) missed();
    else failed(problem ?? new Problem({ title: "The stream of new records ended", detail: "The service may be restarting." }));
  });

  return {
    stop() {
      isStopped = true;
      source.close();
    },
  };
}

/** Why there is no stream, which an `EventSource` keeps to itself; nothing if there is one without its last id. */
async function reason(url) {
  const request = new AbortController();
  try {
    const response = await fetch(url, { credentials: "same-origin", signal: request.signal });
    if (!response.ok) return await problemOf(response);
  } catch {
    return new Problem({ title: "The stream of new records ended", detail: "The service may be restarting." });
  } finally {
    request.abort();
  }
  return null;
}
