// How somebody likes to see things: theirs alone, so it is kept in their browser and is
// no part of a link.

const KEY = "audit.preferences";
const DEFAULTS = { theme: "system", zone: "local", times: "absolute" };

/** @type {Set<() => void>} */
const listeners = new Set();

function load() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

/** @type {{ theme: "system" | "light" | "dark", zone: "local" | "utc", times: "absolute" | "relative" }} */
export const preferences = load();

/** Changes some, and tells whoever shows something by them. */
export function prefer(changes) {
  Object.assign(preferences, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // They last as long as the page then.
  }
  apply();
  for (const listener of listeners) listener();
}

/** Calls `listener` after every change. */
export function onPreferences(listener) {
  listeners.add(listener);
}

function apply() {
  const root = document.documentElement;
  if (preferences.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = preferences.theme;
}
