// One dialog for all that changes something: what will happen, why, and a last chance to leave.

import { Refused } from "./api.js";
import { h } from "./dom.js";
import { control, follow, typed } from "./form.js";
import { named, say } from "./words.js";

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));

/**
 * Ask, and do it. Resolves with what `send` gave, or null if somebody thought better of it. The focus returns to
 * where it was.
 * @param {object} asked
 * @param {string} asked.title
 * @param {string[]} asked.what sentences: what will happen
 * @param {string} asked.go the button's word
 * @param {boolean} [asked.grave] it cannot be taken back
 * @param {import("./form.js").Field[]} asked.fields
 * @param {(values: Record<string, string>) => Promise<any>} asked.send
 */
export function ask(asked) {
  return new Promise((resolve) => {
    let result = null;
    let sending = false;
    const failed = h("p", { class: "wrong", role: "alert" });
    const waiting = h("p", { class: "hint", role: "status" });
    const go = h("button", { type: "submit", id: "dialog-go", class: asked.grave ? "grave" : "main" }, asked.go);
    const leave = h("button", { type: "button", id: "dialog-leave", on: { click: () => dialog.close() } }, say("dialog.leave"));
    const form = h("form", { novalidate: true }, ...asked.fields.map(control), failed, waiting, h("div", { class: "buttons" }, leave, go));

    follow(form, asked.fields);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = typed(form, asked.fields);
      if (sending || values === null) return;
      sending = go.disabled = leave.disabled = true;
      failed.textContent = "";
      waiting.textContent = say("dialog.waiting");
      try {
        result = { values, answer: await asked.send(values) };
        dialog.close();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        failed.textContent = trouble(error);
        sending = go.disabled = leave.disabled = false;
        waiting.textContent = "";
        go.focus();
      }
    });
    dialog.addEventListener("cancel", (event) => sending && event.preventDefault(), { signal: closing.signal });
    dialog.addEventListener("close", () => {
      closing.abort();
      closing = new AbortController();
      dialog.replaceChildren();
      resolve(result);
    }, { signal: closing.signal });
    dialog.replaceChildren(
      h("h2", { id: "dialog-title" }, asked.title),
      h("div", { id: "dialog-what" }, ...asked.what.map((text) => h("p", {}, text))),
      form,
    );
    dialog.showModal();
    /** @type {HTMLElement | null} */ (form.querySelector("input, textarea, select") ?? leave).focus();
  });
}

let closing = new AbortController();

/** What went wrong, in words. @param {Refused} error */
export function trouble(error) {
  const known = named("error", error.code);
  return known === error.code ? error.message || error.code : say(`error.${error.code}`, { text: error.message });
}
