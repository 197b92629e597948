// The screen, put together. All that can be seen follows from the state in the URL: what
// somebody does makes another state, and each part shows what that means for it.

import * as api from "./api.js";
import { byId, h, icon, say, toast } from "./dom.js";
import { filterBar } from "./filterbar.js";
import { help } from "./help.js";
import { histogram } from "./histogram.js";
import { recordList } from "./list.js";
import { tail, WAITING_MAX } from "./live.js";
import { panel } from "./panel.js";
import { prefer, preferences } from "./preferences.js";
import { rangePicker } from "./range.js";
import { savedSearches } from "./saved.js";
import { shortcuts } from "./shortcuts.js";
import { signInView } from "./signin.js";
import { has, parse, query, serialise } from "./state.js";
import { instantMs, toParameter } from "./time.js";
import { displayMenu, exportMenu, liveControls, userMenu } from "./toolbar.js";
import { totals } from "./totals.js";

const DIMENSIONS = ["action", "actor", "outcome", "route", "resource_type"];

/** @type {import("./state.js").State} */
let state = parse(location.search);
/** What was asked for last; nothing before the first time. */
let asked = null;

// What can be done.

/** Goes on to another state; it can be come back from unless it replaces this one. */
function go(changes, { replace = false } = {}) {
  state = { ...state, ...changes };
  const url = serialise(state);
  if (replace || url === location.search) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  show();
}

function addFilter(filter) {
  if (has(state.filters, filter)) return;
  go({ filters: [...state.filters, filter] });
}

function removeFilter(filter) {
  go({ filters: state.filters.filter((other) => other.name !== filter.name || other.value !== filter.value) });
}

function toggleOutcome(value) {
  const filter = { name: "outcome", value };
  if (has(state.filters, filter)) removeFilter(filter);
  else addFilter(filter);
}

function openRecord(id, { focus = true, replace = Boolean(state.record) } = {}) {
  wantsFocus = focus;
  go({ record: id }, { replace });
}

function closeRecord() {
  const id = state.record;
  if (!id) return;
  go({ record: "" });
  if (!list.focus(id)) byId("list").focus();
}

function moveRecord(step) {
  const id = list.neighbour(step);
  if (!id) return;
  if (state.record) {
    openRecord(id, { focus: detail.id !== "" && byId("panel").contains(document.activeElement) });
    list.reveal(id);
  } else {
    list.focus(id);
  }
}

function narrow(fromMs, toMs) {
  go({ from: toParameter(fromMs), to: toParameter(toMs), live: false });
}

/** Twice the range, around its middle, up to now. */
function widen() {
  const now = Date.now();
  const to = state.to ? instantMs(state.to) : now;
  const from = state.from === "all" ? null : instantMs(state.from);
  if (from === null || to === null) return;
  const half = (to - from) / 2;
  const end = to + half;
  go({ from: toParameter(from - half), to: end >= now ? "" : toParameter(end) });
}

/** Another question in the place of this one, as a link would ask it. */
function ask(parameters) {
  const next = parse(`?${new URLSearchParams(parameters)}`);
  go({ ...next, record: state.record, live: false });
}

/** The link to a record within what is asked for. */
function linkTo(id) {
  return `${location.pathname}${serialise({ ...state, record: id, live: false })}`;
}

/** A link that shows the same to whoever opens it later: ages become times. */
function fixedLink() {
  const fixed = (text) => (text && text !== "all" ? toParameter(instantMs(text) ?? Date.now()) : text);
  const to = state.to || toParameter(Date.now());
  return `${location.origin}${location.pathname}${serialise({ ...state, from: fixed(state.from), to: fixed(to), live: false })}`;
}

// What it consists of.

const bar = filterBar(byId("filter-bar"), {
  add: addFilter,
  remove: removeFilter,
  clear: () => go({ filters: [] }),
  valuesOf: async (dimension) => (await api.stats(query(state, { without: dimension }), [dimension])).by[dimension],
});
const range = rangePicker(byId("range"), { change: ({ from, to }) => go({ from, to, live: state.live && !to }) });
const chart = histogram(byId("histogram"), { narrow });
const sums = totals(byId("totals"), { toggle: toggleOutcome });
const list = recordList(byId("list"), {
  linkTo,
  open: (id) => openRecord(id),
  filter: addFilter,
  remove: removeFilter,
  range: ({ from, to }) => go({ from, to }),
  // New records come on top, which is no place for them if the oldest are.
  turn: () => go({ order: state.order === "asc" ? "desc" : "asc", live: false }),
  refused,
});
const detail = panel(byId("panel"), {
  filter: addFilter, open: (id) => openRecord(id), linkTo, show: ask, close: closeRecord, move: moveRecord,
});
const signIn = signInView(byId("sign-in"), { signedIn: begin });
const live = liveControls({ toggle: toggleLive, pause: togglePause });
const user = userMenu({ signOut });
const keyboard = help();

byId("top-actions").append(
  live,
  savedSearches({ current: () => serialise({ ...state, record: "", live: false }), open: (search) => go(parse(search)) }),
  exportMenu({ query: () => query(state), link: fixedLink }),
  displayMenu(),
  h("button", { type: "button", class: "button quiet", title: "Keyboard (?)", "aria-label": "Keyboard shortcuts", onclick: keyboard.open }, icon("help")),
  user,
);
byId("range").append(
  h("button", { type: "button", class: "button quiet", title: "A wider range", "aria-label": "A wider range", onclick: widen }, icon("zoomOut")),
);

// What is seen.

/** Whether the focus goes to the record that is opened. */
let wantsFocus = false;

function show() {
  bar.update(state);
  range.update(state);
  const question = `${query(state)}&order=${state.order}`;
  if (question !== asked) {
    asked = question;
    follow();
    // A tail asks once it has begun, so that nothing falls between the two.
    if (!state.live) reload();
  } else if (state.live !== (tailing !== null)) {
    follow();
  }
  showRecord();
  document.title = state.filters.length > 0 ? `${state.filters.map(({ value }) => value).join(", ")} · Audit trail` : "Audit trail";
}

function showRecord() {
  const isOpen = state.record !== "";
  byId("screen").classList.toggle("has-panel", isOpen);
  list.mark(state.record);
  makeModal();
  if (!isOpen) detail.close();
  else if (detail.id !== state.record) detail.open(state.record, { stored: list.stored(state.record), focus: wantsFocus });
  wantsFocus = false;
}

/** On a small screen the record covers everything else. */
const small = matchMedia("(max-width: 760px)");
small.addEventListener("change", makeModal);

function makeModal() {
  byId("main").inert = small.matches && state.record !== "";
}

function reload() {
  list.load(state);
  count();
}

/** How long it usually takes at most until a record is in the store. */
const STORED_WITHIN_MS = 500;
let counting = new AbortController();
/** Records that came while others were counted. @type {any[] | null} */
let uncounted = null;

async function count() {
  counting.abort();
  counting = new AbortController();
  const { signal } = counting;
  uncounted = [];
  chart.setBusy(true);
  try {
    const stats = await api.stats(query(state), DIMENSIONS, { signal });
    bar.learn(stats.by);
    sums.update(stats, state);
    chart.update(stats);
    // What was hardly stored when it was counted is not among the counts.
    const counted = Date.parse(stats.to) - STORED_WITHIN_MS;
    const younger = uncounted.filter(({ occurred_at }) => Date.parse(occurred_at) >= counted);
    uncounted = null;
    younger.forEach(countOne);
  } catch (problem) {
    if (signal.aborted || refused(problem)) return;
    chart.update(null);
    sums.fail(problem);
  } finally {
    if (!signal.aborted) {
      uncounted = null;
      chart.setBusy(false);
    }
  }
}

function countOne(record) {
  if (uncounted) {
    uncounted.push(record);
    return;
  }
  chart.count(record);
  sums.count(record);
}

// New records as they come.

let tailing = null;
let isOpenTail = false;
let isPaused = false;
/** @type {api.Stored[]} */
let waiting = [];

function follow() {
  tailing?.stop();
  tailing = null;
  isOpenTail = false;
  isPaused = false;
  waiting = [];
  if (state.live) {
    tailing = tail(query(state, { range: false }), {
      begun(isOpen) {
        isOpenTail = isOpen;
        showTail();
        reload();
      },
      came,
      missed() {
        toast("The database was restored or has failed over. Records may have been missed: the list is loaded again");
        follow();
      },
      held(reason) {
        if (reason !== null) toast(`Live is waiting for a ${reason === "standby" ? "standby that is behind" : "transaction that is still open"}`);
      },
      failed(problem) {
        tailing = null;
        if (refused(problem)) return;
        toast(`${problem.title}. ${problem.detail}`);
        asked = null;
        go({ live: false }, { replace: true });
      },
    });
  }
  showTail();
}

function came(stored) {
  if (isPaused) {
    waiting.push(stored);
    if (waiting.length > WAITING_MAX) waiting.shift();
    showTail();
  } else {
    take(stored);
  }
}

function take(stored) {
  if (list.insert(stored)) countOne(stored.record);
}

function toggleLive() {
  // New records are behind every end, and on top.
  if (state.live) go({ live: false }, { replace: true });
  else go({ live: true, to: "", order: "desc" });
  say(state.live ? "Following new records" : "No longer following");
}

function togglePause() {
  if (!tailing) return;
  isPaused = !isPaused;
  if (!isPaused) {
    waiting.forEach(take);
    waiting = [];
  }
  showTail();
}

function showTail() {
  live.show({ isOn: tailing !== null, isOpen: isOpenTail, isPaused, waiting: waiting.length });
}

// Who looks at it.

/** Whether a problem means that somebody has to sign in first, which is then offered. */
function refused(problem) {
  if (problem.status !== 401 && problem.status !== 403) return false;
  tailing?.stop();
  tailing = null;
  counting.abort();
  byId("screen").hidden = true;
  byId("top-actions").hidden = true;
  detail.close();
  signIn.show(problem);
  return true;
}

async function begin() {
  try {
    user.show(await api.session());
  } catch (problem) {
    if (refused(problem)) return;
    // The parts tell what is wrong, and try again.
  }
  signIn.hide();
  byId("screen").hidden = false;
  byId("top-actions").hidden = false;
  asked = null;
  show();
}

async function signOut() {
  try {
    await api.signOut();
  } catch (problem) {
    toast(`${problem.title}. ${problem.detail}`);
    return;
  }
  refused(new api.Problem({ status: 401, code: "missing_credentials" }));
  say("Signed out");
}

shortcuts({
  "/": () => bar.focus(),
  j: () => moveRecord(1),
  k: () => moveRecord(-1),
  ArrowDown: () => (isInRows() ? moveRecord(1) : false),
  ArrowUp: () => (isInRows() ? moveRecord(-1) : false),
  Escape: closeRecord,
  "?": keyboard.open,
  l: toggleLive,
  p: togglePause,
  o: () => list.older(),
  r: () => { asked = null; show(); },
  t: () => range.open(),
  u: () => prefer({ zone: preferences.zone === "utc" ? "local" : "utc" }),
});

function isInRows() {
  return list.focusedId !== null;
}

addEventListener("popstate", () => {
  const before = state.record;
  state = parse(location.search);
  show();
  if (before && !state.record) list.focus(before);
});
begin();
