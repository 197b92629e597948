// Keys that work wherever nothing is being typed.

/**
 * @param {Record<string, (event: KeyboardEvent) => void | false>} actions what each key does;
 *   `false` leaves the key to the browser
 */
export function shortcuts(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("input, textarea, select, [role=slider]") && event.key !== "Escape") return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (action && action(event) !== false) event.preventDefault();
  });
}
