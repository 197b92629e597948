// Times as people read them.

import { h } from "./dom.js";
import { preferences } from "./preferences.js";

const UNITS_S = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** How long ago `-24h` and the like are, in milliseconds; nothing if it is no age. */
export function ageMs(text) {
  const found = /^-(\d{1,9})([smhdw])$/.exec(text);
  return found ? Number(found[1]) * UNITS_S[found[2]] * 1000 : null;
}

/** The instant that a `from` or `to` stands for, in milliseconds; nothing if it is none. */
export function instantMs(text, now = Date.now()) {
  const age = ageMs(text);
  if (age !== null) return now - age;
  const instant = Date.parse(text);
  return Number.isNaN(instant) ? null : instant;
}

/** As the API takes it, to the second. */
export function toParameter(ms) {
  return new Date(ms).toISOString().replace(/\.000Z$/, "Z");
}

const two = (number) => String(number).padStart(2, "0");
const three = (number) => String(number).padStart(3, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Year, month, day and so on in the zone that is preferred. */
function parts(ms) {
  const date = new Date(ms);
  const get = (what) => (preferences.zone === "utc" ? date[`getUTC${what}`]() : date[`get${what}`]());
  return {
    year: get("FullYear"), month: get("Month"), day: get("Date"),
    hours: get("Hours"), minutes: get("Minutes"), seconds: get("Seconds"), milliseconds: get("Milliseconds"),
  };
}

/** `25 Nov 14:03:12`, with the year if it is another one. */
export function dateTime(ms, { seconds = true } = {}) {
  const at = parts(ms);
  const year = at.year === parts(Date.now()).year ? "" : ` ${at.year}`;
  return `${two(at.day)} ${MONTHS[at.month]}${year} ${clock(at, seconds)}`;
}

function clock(at, seconds) {
  return `${two(at.hours)}:${two(at.minutes)}${seconds ? `:${two(at.seconds)}` : ""}`;
}

/** What may lie between two marks of an axis, in seconds: people read round times. */
const TICKS_S = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_419_200, 7_862_400, 31_449_600];

/** The first Monday, so that weeks begin on Mondays. */
const MONDAY_MS = 4 * 86_400_000;

/** Round times within a span, at most so many; the last one has room for its label. */
export function ticks(fromMs, spanMs, most) {
  const step = 1000 * (TICKS_S.find((seconds) => spanMs / (seconds * 1000) <= most) ?? spanMs / 1000);
  const zone = preferences.zone === "utc" ? 0 : -new Date(fromMs).getTimezoneOffset() * 60_000;
  const origin = MONDAY_MS - zone;
  const found = [];
  for (let at = Math.ceil((fromMs - origin) / step) * step + origin; at < fromMs + spanMs * 0.94; at += step) found.push(at);
  return found;
}

/** As short as the span of an axis allows. */
export function tick(ms, spanMs) {
  const at = parts(ms);
  const isMidnight = at.hours + at.minutes + at.seconds === 0;
  if (isMidnight && spanMs <= 7 * 86_400_000) return `${two(at.day)} ${MONTHS[at.month]}`;
  if (spanMs <= 15 * 60_000) return clock(at, true);
  if (spanMs <= 36 * 3_600_000) return clock(at, false);
  if (spanMs <= 7 * 86_400_000) return `${two(at.day)} ${MONTHS[at.month]} ${clock(at, false)}`;
  const year = spanMs > 300 * 86_400_000 ? ` ${at.year}` : "";
  return `${two(at.day)} ${MONTHS[at.month]}${year}`;
}

/** Everything there is to say of an instant: `2026-11-25 14:03:12.345678 UTC`. */
export function fullTime(instant) {
  const ms = Date.parse(instant);
  const at = parts(ms);
  const decimals = /\.(\d+)/.exec(instant)?.[1] ?? three(at.milliseconds);
  const day = `${at.year}-${two(at.month + 1)}-${two(at.day)}`;
  return `${day} ${clock(at, true)}.${decimals} ${zoneName(ms)}`;
}

/** `UTC`, or how far the local time is from it. */
export function zoneName(ms = Date.now()) {
  if (preferences.zone === "utc") return "UTC";
  const offset = -new Date(ms).getTimezoneOffset();
  const sign = offset < 0 ? "−" : "+";
  return `UTC${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
}

/** `3 min ago`. */
export function ago(ms, now = Date.now()) {
  const seconds = Math.round((now - ms) / 1000);
  if (seconds < 0) return `in ${span(-seconds)}`;
  return seconds < 3 ? "just now" : `${span(seconds)} ago`;
}

/** A span of time in its largest unit. */
export function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** How long something took, from microseconds. */
export function duration(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
  return `${(us / 1_000_000).toFixed(us < 10_000_000 ? 2 : 1)} s`;
}

/** An element that shows an instant as it is preferred. */
export function timeElement(instant) {
  const ms = Date.parse(instant);
  const element = h("time", { datetime: instant });
  showTime(element, ms);
  return element;
}

function showTime(element, ms) {
  const relative = preferences.times === "relative";
  element.textContent = relative ? ago(ms) : dateTime(ms);
  element.title = relative ? fullTime(element.dateTime) : `${fullTime(element.dateTime)} · ${ago(ms)}`;
}

/** Shows all times below `root` anew: the preference has changed, or time has passed. */
export function refreshTimes(root) {
  for (const element of root.querySelectorAll("time")) showTime(element, Date.parse(element.dateTime));
}

/** The value of a `datetime-local` field, in the zone that is preferred. */
export function toField(ms) {
  const at = parts(ms);
  return `${String(at.year).padStart(4, "0")}-${two(at.month + 1)}-${two(at.day)}T${clock(at, true)}`;
}

/** What such a field says, in milliseconds; nothing if it is empty. */
export function fromField(text) {
  if (!text) return null;
  const ms = Date.parse(preferences.zone === "utc" ? `${text}Z` : text);
  return Number.isNaN(ms) ? null : ms;
}
