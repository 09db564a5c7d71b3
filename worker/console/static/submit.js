// A refund by hand: what is asked for, a last look, and what becomes of it, as it comes.

import { Refused, stream } from "./api.js";
import { ask, trouble } from "./dialog.js";
import { h, show } from "./dom.js";
import { control, typed } from "./form.js";
import { grouped } from "./format.js";
import { named, say } from "./words.js";

const IN_DOUBT = ["lost", "broken", "unreachable"];
const AMOUNT = /^[0-9]{1,16}(\.[0-9]{1,4})?$/;

/** @param {Element} main @param {any[]} channels */
export function submit(main, channels) {
  // A click that is repeated, also after an answer got lost, is the same refund: it has its id before it is sent.
  const id = `console-${hex(crypto.getRandomValues(new Uint8Array(12)))}`;
  const rest = h("div", {});
  const told = h("div", {});
  const channel = control({ name: "channel", label: say("refund.channel"), kind: "choice", options: channels.map(({ name }) => [name, name]) });
  const go = h("button", { type: "submit", class: "main", id: "submit" }, say("submit.go"));
  const form = h("form", { novalidate: true, class: "narrow" }, channel, rest, h("div", { class: "buttons" }, go));
  const chosen = () => channels.find(({ name }) => name === form.querySelector("#field-channel").value);
  const fill = () => rest.replaceChildren(...fieldsOf(chosen()).map(control));

  form.querySelector("#field-channel").addEventListener("change", fill);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = typed(form, fieldsOf(chosen()));
    if (values === null) return;
    const { kind, number, ...others } = values;
    const asked = { ...others, id, channel: chosen().name, [kind || "payment"]: number };
    const summary = { amount: `${grouped(asked.amount)} ${asked.currency}`, number, channel: asked.channel };
    const agreed = await ask({
      title: say("submit.title"), what: [say("submit.what", summary), say("submit.id", { id })], go: say("submit.agree"), grave: true, fields: [],
      send: async () => null,
    });
    if (agreed === null) return;
    form.hidden = true;
    await follow(told, asked, () => submit(main, channels), () => { form.hidden = false; told.replaceChildren(); });
  });
  show(main, h("h1", {}, say("nav.new")), h("p", { class: "hint" }, say("submit.hint")));
  main.append(form, told);
  fill();
}

function fieldsOf(channel) {
  return [
    ...(channel.merchants.length
      ? [{ name: "merchant", label: say("submit.merchant"), kind: "choice", optional: true, options: [["", say("submit.merchant.none")], ...channel.merchants.map((one) => [one, one])] }]
      : []),
    ...(channel.mainland
      ? [{ name: "kind", label: say("submit.kind"), kind: "radio", value: "payment", options: [["payment", say("submit.payment")], ["order", say("submit.order")]] }]
      : []),
    { name: "number", label: say(channel.mainland ? "submit.number" : "submit.payment"), max: 128 },
    { name: "amount", label: say("list.amount"), hint: say("submit.amount.hint"), mode: "decimal", like: AMOUNT, wrong: say("submit.amount.hint"), max: 24 },
    { name: "currency", label: say("submit.currency"), kind: "choice", options: channel.currencies.map((one) => [one, one]) },
    { name: "reason", label: say("field.reason"), hint: say("submit.reason.hint"), optional: true, max: 256 },
  ];
}

async function follow(told, asked, another, back) {
  const head = h("h2", { id: "result", tabindex: "-1" }, say("submit.sending"));
  const events = h("ol", { class: "timeline", "aria-live": "polite" });
  const page = h("a", { href: `#/refund/${encodeURIComponent(asked.id)}` }, asked.id);
  const links = h("p", {}, say("submit.page"), " ", page);
  const buttons = h("div", { class: "buttons" });
  told.replaceChildren(head, links, events, buttons);
  head.focus();
  let last = null;
  try {
    for await (const event of stream("/api/submissions", asked)) {
      if (event.code) throw new Refused(event.code, event.text);
      last = event;
      // The first tells where the command was written, and is no event of the refund.
      const name = named("event", event.type || "written");
      head.textContent = event.final ? name : say("submit.waiting");
      const at = new Date().toLocaleTimeString();
      events.append(h("li", {}, h("div", { class: "at" }, at), h("div", {}, h("strong", {}, name), " ", event.sentence)));
    }
    if (!last?.final) throw new Refused("still_open", "");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    head.textContent = say(error.code === "still_open" ? "submit.open" : last || IN_DOUBT.includes(error.code) ? "submit.unknown" : "said.refused");
    events.append(h("li", {}, h("div", { class: "at" }), h("div", { class: "wrong" }, trouble(error))));
    // The same id: what was written already is not refunded twice.
    if (last === null) buttons.append(h("button", { type: "button", id: "back", on: { click: back } }, say("submit.back")));
  }
  buttons.append(h("button", { type: "button", id: "another", on: { click: another } }, say("submit.another")));
}

function hex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
