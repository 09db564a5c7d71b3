// Signing in, where a token is what opens the console.

import { Refused, get, keep, post } from "./api.js";
import { trouble } from "./dialog.js";
import { h, show } from "./dom.js";
import { control, typed } from "./form.js";
import { say } from "./words.js";

/**
 * @param {Element} main @param {string} kind how people get in @param {() => void} done
 */
export function signIn(main, kind, done) {
  if (kind === "proxy") {
    show(main, h("h1", {}, say("signin.title")), h("p", {}, say("signin.proxy")));
    return;
  }
  const fields = [
    { name: "who", label: say("signin.who"), hint: say("signin.who.hint"), max: 64, complete: "username" },
    { name: "token", label: say("signin.token"), kind: "password", max: 512, complete: "current-password" },
  ];
  const failed = h("p", { class: "wrong", role: "alert" });
  const go = h("button", { type: "submit", class: "main" }, say("signin.go"));
  const form = h("form", { novalidate: true, class: "narrow" }, ...fields.map(control), failed, h("div", { class: "buttons" }, go));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = typed(form, fields);
    if (values === null) return;
    go.disabled = true;
    try {
      const { page } = await post("/api/session", values);
      keep(page);
      await get("/api/session");
      done();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      failed.textContent = trouble(error);
      go.disabled = false;
      form.querySelector("#field-token").focus();
    }
  });
  show(main, h("h1", {}, say("signin.title")));
  main.append(form);
  form.querySelector("#field-who").focus();
}
