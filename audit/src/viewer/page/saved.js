// Searches that somebody has given a name, in their own browser.

import { h, icon, toast } from "./dom.js";
import { menu } from "./menu.js";

const KEY = "audit.searches";
const SEARCHES_MAX = 50;
const NAME_LENGTH_MAX = 80;

/** @returns {{ name: string, query: string }[]} */
function load() {
  try {
    const searches = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return searches.filter(({ name, query }) => typeof name === "string" && typeof query === "string").slice(0, SEARCHES_MAX);
  } catch {
    return [];
  }
}

function store(searches) {
  try {
    localStorage.setItem(KEY, JSON.stringify(searches));
    return true;
  } catch {
    toast("The browser keeps nothing for this page");
    return false;
  }
}

/**
 * @param {{ current: () => string, open: (query: string) => void }} options
 */
export function savedSearches({ current, open }) {
  return menu({ label: "Saved searches", icon: "star", content });

  function content(close) {
    const list = h("ul", { class: "saved" });
    const name = h("input", { type: "text", maxlength: NAME_LENGTH_MAX, required: true, placeholder: "Name", "aria-label": "Name of the search" });

    function show() {
      const searches = load();
      list.replaceChildren(...searches.map((search, number) =>
        h(
          "li",
          null,
          h("button", { type: "button", class: "item", onclick: () => { close(); open(search.query); } }, search.name),
          h(
            "button",
            {
              type: "button", class: "button quiet", "aria-label": `Delete ${search.name}`, title: "Delete",
              onclick: () => { store(load().filter((_, other) => other !== number)); show(); name.focus(); },
            },
            icon("trash"),
          ),
        ),
      ));
      if (searches.length === 0) list.replaceChildren(h("li", { class: "note" }, "None yet. Ages such as the last 24 hours stay ages."));
    }

    function save(event) {
      event.preventDefault();
      const wanted = name.value.trim();
      if (wanted === "") return;
      const others = load().filter((search) => search.name !== wanted);
      if (others.length >= SEARCHES_MAX) { toast(`There are ${SEARCHES_MAX} already: delete one first`); return; }
      if (!store([...others, { name: wanted, query: current() }])) return;
      close();
      toast(`Saved as ${wanted}`);
    }

    show();
    return [
      list,
      h("form", { class: "save", onsubmit: save }, name, h("button", { type: "submit", class: "button primary" }, "Save this search")),
    ];
  }
}
