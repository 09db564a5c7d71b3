// What is open, what halts, and what waits for a person.

import { get, post } from "./api.js";
import { ask } from "./dialog.js";
import { h, show, table } from "./dom.js";
import { age, moment, money, until } from "./format.js";
import { tell } from "./said.js";
import { named, say } from "./words.js";

const EVERYTHING = "*";
const TYPED_FOR_EVERYTHING = "ALL";
const OPERATOR = "operator";
const ORDER = ["parked", "held", "halted", "unconfigured", "waiting"];
let chosen = "parked";

/**
 * The overview; gives what brings it up to date.
 * @param {Element} main @param {string[]} states @param {() => void} changed
 */
export function overview(main, states, changed) {
  const at_risk = h("div", {}, reading());
  const rows = h("div", {}, reading());
  const credentials = h("div", {}, reading());
  const choice = h(
    "select",
    { id: "state", on: { change: () => { chosen = choice.value; changed(); } } },
    ...ORDER.filter((state) => states.includes(state)).map((state) => h("option", { value: state }, named("state", state))),
    h("option", { value: "" }, say("state.all")),
  );
  choice.value = chosen;
  show(main, h("h1", {}, say("nav.overview")));
  main.append(
    h("section", { "aria-labelledby": "at-risk" }, h("h2", { id: "at-risk" }, say("risk.title")), at_risk),
    h("section", { "aria-labelledby": "refunds" },
      h("div", { class: "head" }, h("h2", { id: "refunds" }, say("list.title")), h("label", { class: "inline" }, say("list.state"), choice)), rows),
    h("section", { "aria-labelledby": "credentials" }, h("h2", { id: "credentials" }, say("credentials.title")), credentials),
  );
  return async () => {
    const [all, list] = await Promise.all([get("/api/overview"), get(`/api/refunds?state=${encodeURIComponent(chosen)}`)]);
    show(at_risk, totals(all.totals));
    show(rows, refunds(list));
    show(credentials, ...channels(all, changed));
    return all;
  };
}

function totals(found) {
  if (found.length === 0) return h("p", { class: "hint" }, say("risk.none"));
  const sorted = [...found].sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state));
  return table(
    say("risk.title"),
    [say("list.state"), say("risk.refunds"), say("list.amount"), say("risk.oldest")],
    sorted.map((total) => ({
      cells: [state(total.state), String(total.refunds), amount(total.amount), age(total.oldest_since)],
    })),
  );
}

function refunds(list) {
  if (list.length === 0) return h("p", { class: "hint" }, say("list.none"));
  const heads = ["list.refund", "list.amount", "list.state", "list.since", "list.next", "list.attempts"];
  return table(
    say("list.title"),
    heads.map((key) => say(key)),
    list.map((row) => ({
      cells: [
        h("a", { href: `#/refund/${encodeURIComponent(row.refund_request_id)}`, id: `row-${row.refund_request_id}` }, row.refund_request_id),
        amount(row.amount),
        h("span", {}, state(row.state), ...[named("reason", row.reason), row.code].filter(Boolean).map((text) => h("span", { class: "sub" }, text))),
        age(row.since),
        row.state === "parked" ? "–" : until(row.next_at),
        String(row.attempts),
      ],
    })),
  );
}

function channels(all, changed) {
  const everything = all.credentials.find((one) => one.everything);
  const rows = all.credentials.map((one) => ({ cells: [one.channel, standing(one), one.reason || "–", one.since ? moment(Date.parse(one.since) / 1000) : "–", button(one, changed)] }));
  const heads = ["credentials.channel", "list.state", "credentials.reason", "list.since", "credentials.action"];
  return [
    table(say("credentials.title"), heads.map((key) => say(key)), rows),
    h("div", { class: "switch" },
      h("p", {}, say(everything ? "switch.on" : "switch.off")),
      h("button", { type: "button", id: "switch", class: everything ? "main" : "grave", on: { click: () => turn(EVERYTHING, !everything, everything?.since, changed) } },
        say(everything ? "switch.resume" : "switch.halt"))),
    ...Object.entries(all.braked).map(([partition, why]) =>
      h("p", { class: "box bad" }, say("braked", { partition, why }), " ", h("code", {}, `python -m worker resume-partition ${partition}`))),
  ];
}

function standing(one) {
  if (one.everything) return mark("halted", say("credentials.everything", { who: one.by }));
  if (one.halted === "provider") return mark("halted", say("credentials.provider"));
  if (one.halted === OPERATOR) return mark("halted", say("credentials.person", { who: one.by }));
  return mark("fine", say("credentials.fine"));
}

function button(one, changed) {
  if (one.everything) return h("span", { class: "hint" }, say("credentials.first"));
  const halted = one.halted === OPERATOR;
  return h("button", {
    type: "button", id: `halt-${one.channel}`, "aria-label": say(halted ? "resume.of" : "halt.of", { channel: one.channel }),
    on: { click: () => turn(one.channel, !halted, one.since, changed) },
  }, say(halted ? "resume.go" : "halt.go"));
}

// `since`: when what is resumed was halted, as the page shows it.
async function turn(channel, halted, since, changed) {
  const all = channel === EVERYTHING;
  const what = halted ? (all ? "switch.halt" : "halt") : all ? "switch.resume" : "resume";
  const fields = [{ name: "reason", label: say("field.reason"), hint: say("field.reason.hint"), max: 256 }];
  if (all) fields.push({ name: "confirm", label: say("field.confirm", { text: TYPED_FOR_EVERYTHING }), typed: TYPED_FOR_EVERYTHING, max: 16 });
  const done = await ask({
    title: all ? say(what) : say(`${what}.of`, { channel }),
    what: [say(`${what}.what`)],
    go: say(`${what}.go`),
    grave: halted,
    fields,
    send: (values) => post("/api/control", { ...values, channel, halted, since }),
  });
  // Nothing is followed while a dialog is open.
  changed();
  if (done === null) return;
  tell("good", say("said.done"), say(halted ? "said.halted" : "said.resumed", { channel: all ? say("credentials.all") : channel }));
}

/** Stands where nothing has come yet: what is not known must not look like what is not there. */
export function reading() {
  return h("p", { class: "hint reading" }, say("reading"));
}

/** A state: its word, and a shape before it. @param {string} value */
export function state(value) {
  return mark(value, named("state", value));
}

function mark(kind, text) {
  return h("span", { class: `mark ${kind}` }, text);
}

/** @param {any} value */
export function amount(value) {
  return h("span", { class: "amount" }, money(value));
}
