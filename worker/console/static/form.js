// Fields with a label, a hint and words of our own for what is missing: a browser's come in its own language.

import { h } from "./dom.js";
import { say } from "./words.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "password" | "area" | "choice" | "radio"} [kind]
 * @property {string} [hint]
 * @property {string} [value]
 * @property {boolean} [optional]
 * @property {number} [max] characters
 * @property {string} [typed] the only text that is right
 * @property {RegExp} [like]
 * @property {string} [wrong] said where `like` does not match
 * @property {[string, string][]} [options] values and what they are called
 * @property {string} [complete] for autocomplete
 * @property {string} [mode] for inputmode
 * @property {[string, string]} [when] only asked for while another field has this value
 */

/** A field's elements. Its control has the id `field-<name>`. @param {Field} field */
export function control(field) {
  const id = `field-${field.name}`;
  const told = `${id}-hint ${id}-wrong`;
  const common = { id, name: field.name, "aria-describedby": told, "aria-required": field.optional ? null : "true" };
  const hint = h("p", { id: `${id}-hint`, class: "hint" }, field.hint ?? "");
  const wrong = h("p", { id: `${id}-wrong`, class: "wrong" });
  // What was said of the field is about what it held before.
  const forgive = (event) => {
    wrong.textContent = "";
    event.currentTarget.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
  };
  if (field.kind === "radio") {
    const choices = field.options.map(([value, label], number) =>
      h("label", { class: "radio" },
        h("input", { type: "radio", name: field.name, value, id: number ? `${id}-${value}` : id, checked: value === field.value }),
        h("span", {}, label)));
    return h("fieldset", { "aria-describedby": told, on: { input: forgive } }, h("legend", {}, field.label), ...choices, hint, wrong);
  }
  let input;
  if (field.kind === "choice") {
    const options = field.options.map(([value, label]) => h("option", { value, selected: value === field.value }, label));
    input = h("select", common, ...options);
  } else if (field.kind === "area") {
    input = h("textarea", { ...common, rows: 3, maxlength: field.max }, field.value ?? "");
  } else {
    input = h("input", {
      ...common, type: field.kind ?? "text", value: field.value, maxlength: field.max, spellcheck: "false",
      autocomplete: field.complete ?? "off", inputmode: field.mode,
    });
  }
  return h("div", { class: "field", hidden: field.when !== undefined, on: { input: forgive } }, h("label", { for: id }, field.label), input, hint, wrong);
}

/** Show each field as long as it is asked for. @param {HTMLFormElement} form @param {Field[]} fields */
export function follow(form, fields) {
  form.addEventListener("change", () => {
    for (const { name, when } of fields) {
      if (when) form.querySelector(`#field-${name}`).parentElement.hidden = new FormData(form).get(when[0]) !== when[1];
    }
  });
}

/**
 * What was typed, or null; then the first wrong field has the focus, and each says what it wants.
 * @param {HTMLFormElement} form @param {Field[]} fields
 * @returns {Record<string, string> | null}
 */
export function typed(form, fields) {
  const data = new FormData(form);
  const asked = fields.filter(({ when }) => !when || data.get(when[0]) === when[1]);
  const values = Object.fromEntries(asked.map(({ name }) => [name, String(data.get(name) ?? "").trim()]));
  let first = null;
  for (const field of asked) {
    const text = fault(field, values[field.name]);
    const input = form.querySelector(`#field-${field.name}`);
    form.querySelector(`#field-${field.name}-wrong`).textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    if (text && first === null) first = input;
  }
  first?.focus();
  return first === null ? values : null;
}

/** @param {Field} field @param {string} value */
function fault(field, value) {
  if (!value) return field.optional ? "" : say("field.missing");
  if (field.typed !== undefined && value !== field.typed) return say("field.typed", { text: field.typed });
  if (field.like && !field.like.test(value)) return field.wrong ?? say("field.missing");
  return "";
}
