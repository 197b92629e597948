// The filter bar: what is asked for as chips, and a field that completes what is typed
// from values that there are. A combobox with a list box, after the ARIA Authoring
// Practices Guide.

import { h, icon, say } from "./dom.js";
import { FIELDS, labelOf } from "./fields.js";
import { readable } from "./readable.js";
import { meaningOf, split, suggest } from "./suggestions.js";

const WAIT_MS = 120;

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {(filter: { name: string, value: string }) => void} options.add
 * @param {(filter: { name: string, value: string }) => void} options.remove
 * @param {() => void} options.clear
 * @param {(field: string) => Promise<{ value: string | null, count: number }[]>} options.valuesOf
 */
export function filterBar(root, { add, remove, clear, valuesOf }) {
  /** @type {{ name: string, value: string }[]} */
  let filters = [];
  /** @type {import("./suggestions.js").Suggestion[]} */
  let suggestions = [];
  let chosen = -1;
  let known = {};
  let timer = 0;

  const chips = h("ul", { class: "chips", "aria-label": "Active filters" });
  const input = h("input", {
    type: "text",
    id: "filter",
    class: "filter-input",
    role: "combobox",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-label": "Filter",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": "suggestions",
    placeholder: "Filter by actor, action, outcome, or search words…",
    oninput: () => { chosen = -1; show(); loadSoon(); },
    onfocus: () => { show(); loadSoon(); },
    onclick: show,
    onblur: hide,
    onkeydown: key,
  });
  const list = h("ul", { class: "suggestions", id: "suggestions", role: "listbox", "aria-label": "Suggestions", hidden: true });
  const clearAll = h("button", { type: "button", class: "button quiet clear", onclick: () => { clear(); input.focus(); }, hidden: true }, "Clear");
  root.append(
    icon("search"),
    h("div", { class: "filter-content" }, chips, input),
    clearAll,
    h("kbd", { class: "hint", "aria-hidden": "true" }, "/"),
    list,
  );
  root.addEventListener("pointerdown", (event) => {
    if (event.target === root || event.target.classList.contains("filter-content")) {
      event.preventDefault();
      input.focus();
    }
  });

  function show() {
    suggestions = suggest(input.value, known);
    list.replaceChildren(
      ...suggestions.map((suggestion, number) =>
        h(
          "li",
          {
            id: `suggestion-${number}`,
            role: "option",
            "aria-selected": String(number === chosen),
            // Before the field loses its focus.
            onpointerdown: (event) => { event.preventDefault(); choose(suggestion); },
          },
          h("span", { class: "suggestion-label" }, readable(suggestion.label)),
          suggestion.hint && h("span", { class: "suggestion-hint" }, suggestion.hint),
        ),
      ),
    );
    const isOpen = suggestions.length > 0 && document.activeElement === input;
    list.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && chosen >= 0) {
      input.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
      list.children[chosen]?.scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  }

  function hide() {
    chosen = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function loadSoon() {
    clearTimeout(timer);
    timer = setTimeout(load, WAIT_MS);
  }

  /** Asks which values there are for what is being typed. */
  async function load() {
    const name = split(input.value)?.name;
    const field = FIELDS.find((candidate) => candidate.name === name);
    if (!field?.stats) return;
    try {
      known = { ...known, [field.name]: await valuesOf(field.stats) };
    } catch {
      // Completion is a help and no promise: the list below tells what is wrong.
      return;
    }
    if (!list.hidden) show();
  }

  /** @param {import("./suggestions.js").Suggestion} suggestion */
  function choose({ filter, text }) {
    if (filter) {
      take(filter);
    } else {
      input.value = text ?? "";
      chosen = -1;
      show();
      load();
    }
  }

  function take(filter) {
    input.value = "";
    chosen = -1;
    add(filter);
    if (document.activeElement === input) show();
  }

  function key(event) {
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp": {
        event.preventDefault();
        if (suggestions.length === 0) return;
        const count = suggestions.length;
        const step = event.key === "ArrowDown" ? 1 : -1;
        chosen = list.hidden ? (step > 0 ? 0 : count - 1) : (chosen + step + count + (chosen < 0 && step < 0 ? 1 : 0)) % count;
        show();
        break;
      }
      case "Enter": {
        event.preventDefault();
        const suggestion = suggestions[chosen];
        const meant = meaningOf(input.value);
        if (suggestion && !list.hidden) choose(suggestion);
        else if (meant) take(meant);
        break;
      }
      case "Tab": {
        const suggestion = suggestions[chosen];
        if (!suggestion || list.hidden || event.shiftKey) return;
        event.preventDefault();
        choose(suggestion);
        break;
      }
      case "Escape":
        // First the suggestions go, then what was typed, then the focus.
        event.stopPropagation();
        if (list.hidden && input.value === "") input.blur();
        else if (list.hidden) input.value = "";
        hide();
        break;
      case "Backspace": {
        const last = filters.at(-1);
        if (input.value === "" && last) {
          say(readable(`${labelOf(last.name)} ${last.value} removed`));
          remove(last);
        }
        break;
      }
      default:
    }
  }

  /** Puts a chip back into the field, to be changed. */
  function edit(filter) {
    remove(filter);
    input.value = `${filter.name}${filter.name.startsWith("payload.") ? "=" : ":"}${filter.value}`;
    input.focus();
    input.select();
    show();
  }

  function chip(filter, isFurther) {
    const label = labelOf(filter.name);
    return h(
      "li",
      { class: "chip" },
      h(
        "button",
        { type: "button", class: "chip-text", title: "Change this filter", onclick: () => edit(filter) },
        isFurther ? h("span", { class: "chip-or" }, "or") : h("span", { class: "chip-name" }, readable(label)),
        h("span", { class: "chip-value" }, readable(filter.value)),
      ),
      h(
        "button",
        {
          type: "button", class: "chip-remove", title: "Remove this filter",
          "aria-label": readable(`Remove filter ${label} ${filter.value}`),
          onclick: () => { remove(filter); input.focus(); hide(); },
        },
        icon("close"),
      ),
    );
  }

  return {
    update(state) {
      filters = [...state.filters].sort((a, b) => order(state, a) - order(state, b));
      chips.replaceChildren(...filters.map((filter, number) => chip(filter, filters[number - 1]?.name === filter.name)));
      chips.hidden = filters.length === 0;
      clearAll.hidden = filters.length === 0;
    },
    /** Values that were counted anyway. */
    learn(by) {
      for (const field of FIELDS) {
        const counted = field.stats && by[field.stats];
        // Those of a field that is filtered are only what is left of it.
        if (counted && !filters.some(({ name }) => name === field.name)) known[field.name] = counted;
      }
    },
    focus() { input.focus(); input.select(); },
  };
}

/** Values of one field stand side by side, where its first one is. */
function order(state, filter) {
  return state.filters.findIndex(({ name }) => name === filter.name);
}
