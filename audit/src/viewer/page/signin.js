// Who is not signed in, or may not read the trail, sees this.

import * as api from "./api.js";
import { h, icon, prose } from "./dom.js";

/** What a token is made of (RFC 6750, section 2.1). */
const TOKEN = /^[A-Za-z0-9\-._~+/=]+$/;

/**
 * @param {HTMLElement} root
 * @param {{ signedIn: () => void }} options
 */
export function signInView(root, { signedIn }) {
  const token = h("input", {
    type: "password", id: "token", name: "token", required: true, autocomplete: "off", spellcheck: "false",
    autocapitalize: "off", "aria-describedby": "sign-in-problem",
  });
  const complaint = h("div", { id: "sign-in-problem", class: "complaint", role: "alert" });
  const submit = h("button", { type: "submit", class: "button primary wide" }, "Sign in");
  root.append(
    h(
      "form",
      { class: "card", onsubmit: send, novalidate: true },
      h("div", { class: "card-mark", "aria-hidden": "true" }, icon("lock")),
      h("h2", null, "Sign in to the audit trail"),
      h("p", { class: "lead" }, "Paste a token of an auditor or admin. It is kept in a cookie that no script can read, until you sign out or close the browser."),
      h("label", { for: "token" }, "Token"),
      token,
      complaint,
      submit,
      h("p", { class: "note" }, "On the machine that runs the service, this makes one:"),
      h("pre", { class: "command", tabindex: "0", role: "group", "aria-label": "Command" }, h("code", null, "items-api token --sub you --role auditor")),
      h("p", { class: "note" }, "Signing in is recorded, and so is everything that is read."),
    ),
  );

  async function send(event) {
    event.preventDefault();
    const value = token.value.trim().replace(/^bearer\s+/i, "");
    if (!TOKEN.test(value)) {
      complain({ title: value ? "That is no token" : "A token is missing", detail: "A token is one long word of letters, digits, dots, dashes and underscores." });
      return;
    }
    submit.disabled = true;
    try {
      await api.signIn(value);
      token.value = "";
      complaint.replaceChildren();
      signedIn();
    } catch (problem) {
      complain(problem);
    } finally {
      submit.disabled = false;
    }
  }

  function complain({ title, detail }) {
    complaint.replaceChildren(h("strong", null, title), h("span", null, prose(detail ?? "")));
    token.setAttribute("aria-invalid", "true");
    token.focus();
    token.select();
  }

  return {
    /** Shows the form, and why, unless it is simply the first visit. @param {api.Problem} problem */
    show(problem) {
      root.hidden = false;
      token.removeAttribute("aria-invalid");
      if (problem.code === "missing_credentials") complaint.replaceChildren();
      else complain(problem);
      token.focus();
    },
    hide() { root.hidden = true; },
  };
}
