// A button that opens something small below itself.

import { h, icon } from "./dom.js";

/**
 * @param {object} options
 * @param {string} options.label what the button is called
 * @param {string} options.icon
 * @param {boolean} [options.hasText] whether its label is shown, and not only said
 * @param {string} [options.class]
 * @param {(close: () => void) => Node[]} options.content made anew each time it opens
 * @returns {HTMLElement & { button: HTMLButtonElement }}
 */
export function menu({ label, icon: name, hasText = false, class: kind = "", content }) {
  const body = h("div", { class: "menu-body", role: "group", "aria-label": label, hidden: true });
  const button = h(
    "button",
    {
      type: "button",
      class: "button quiet",
      "aria-expanded": "false",
      "aria-label": hasText ? null : label,
      title: label,
      onclick: () => (body.hidden ? open() : close()),
    },
    icon(name),
    hasText && h("span", { class: "button-text" }, label),
    hasText && icon("chevron"),
  );
  const root = h("div", { class: `menu ${kind}` }, button, body);

  function open() {
    body.replaceChildren(...content(close));
    body.hidden = false;
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    body.querySelector("button, a, input")?.focus();
  }

  function close() {
    if (body.hidden) return;
    const hadFocus = body.contains(document.activeElement);
    body.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
    document.removeEventListener("focusin", outside);
    if (hadFocus) button.focus();
  }

  function outside(event) {
    if (!root.contains(event.target)) close();
  }

  root.addEventListener("keydown", (event) => {
    if (body.hidden) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (event.target.matches("input[type=text], input[type=radio], input[type=datetime-local]")) return;
      const stops = [button, ...body.querySelectorAll("button, a, input")];
      const next = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      stops[(next + stops.length) % stops.length].focus();
      event.preventDefault();
    }
  });
  return Object.assign(root, { button });
}

/** A choice between few things that is made by one press. */
export function choice({ legend, name, options, value, onchange }) {
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", null, legend),
    h(
      "div",
      { class: "segments" },
      Object.entries(options).map(([key, label]) =>
        h(
          "label",
          null,
          h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => onchange(key) }),
          h("span", null, label),
        ),
      ),
    ),
  );
}
