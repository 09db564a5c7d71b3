// One refund: where it stands, what can be done about it, and how it came here.

import { get, post } from "./api.js";
import { ask, trouble } from "./dialog.js";
import { h, show } from "./dom.js";
import { age, moment, until } from "./format.js";
import { amount, reading, state } from "./overview.js";
import { tell } from "./said.js";
import { named, say } from "./words.js";

const GRAVE = ["settle", "reissue"];
const FINAL = ["succeeded", "failed"];

/**
 * The page of a refund; gives what brings it up to date.
 * @param {Element} main @param {string} id @param {string[]} actions the advice that a failure may carry
 * @param {() => void} changed
 */
export function refund(main, id, actions, changed) {
  const standing = h("div", {}, reading());
  const buttons = h("div", {}, reading());
  const timeline = h("div", {}, reading());
  show(main, h("h1", { class: "id" }, id));
  main.append(
    h("section", { "aria-labelledby": "stands" }, h("h2", { id: "stands" }, say("refund.stands")), standing),
    h("section", { "aria-labelledby": "can" }, h("h2", { id: "can" }, say("refund.can")), buttons),
    h("section", { "aria-labelledby": "timeline" }, h("h2", { id: "timeline" }, say("refund.timeline")), timeline),
  );
  let known = "";
  return async () => {
    const path = `/api/refunds/${encodeURIComponent(id)}`;
    const shown = await get(path);
    show(standing, explained(shown), facts(shown));
    show(buttons, ...instructions(shown, actions, changed));
    // Apart, and only when something has changed: it is read from the topics, and from far back.
    if (known === JSON.stringify(shown)) return null;
    known = JSON.stringify(shown);
    get(`${path}/history`).then(
      (moments) => show(timeline, past(moments)),
      (error) => {
        known = "";
        show(timeline, h("p", { class: "wrong" }, trouble(error)));
      },
    );
    return null;
  };
}

function explained(shown) {
  const { row, explanation } = shown;
  const lines = [
    ["refund.why", explanation.why],
    ["refund.next", explanation.next],
    ["refund.when", explanation.next_at === null ? "" : h("span", {}, moment(explanation.next_at), ` (${until(explanation.next_at)})`)],
    ["refund.money", explanation.money],
    ["refund.advice", explanation.advice],
  ];
  return h("div", { class: "stands" },
    h("p", { class: "headline" }, state(row.state), amount(row.amount)),
    h("dl", {}, ...lines.filter(([, text]) => text).flatMap(([key, text]) => [h("dt", {}, say(key)), h("dd", {}, text)])));
}

function facts(shown) {
  const { row } = shown;
  const known = [
    ["refund.channel", row.merchant ? `${row.channel} / ${row.merchant}` : row.channel],
    ["refund.payment", row.payment],
    ["list.attempts", String(row.attempts)],
    ["list.code", row.code],
    ["list.reason", row.reason ? named("reason", row.reason) : ""],
    [FINAL.includes(row.state) ? "refund.final" : "refund.accepted", h("span", {}, moment(row.since), ` (${say("age.ago", { age: age(row.since) })})`)],
    ["refund.issues", shown.issues.length > 1 ? chain(shown.issues, row.refund_request_id) : ""],
  ];
  const more = Object.entries(shown.facts);
  return h("div", {},
    h("dl", { class: "facts" }, ...known.filter(([, text]) => text).flatMap(([key, text]) => [h("dt", {}, say(key)), h("dd", {}, text)])),
    more.length ? details("facts", say("refund.facts"), shown.facts) : null);
}

function chain(issues, here) {
  return h("span", { class: "chain" }, ...issues.map((id) => id === here
    ? h("span", { "aria-current": "page" }, id)
    : h("a", { href: `#/refund/${encodeURIComponent(id)}` }, id)));
}

function instructions(shown, actions, changed) {
  if (shown.instructions.length === 0) return [h("p", { class: "hint" }, say("refund.nothing"))];
  return [h("ul", { class: "choices" }, ...shown.instructions.map((name) => h("li", {},
    h("button", { type: "button", id: `do-${name}`, class: GRAVE.includes(name) ? "grave" : "main", on: { click: () => instruct(shown, name, actions, changed) } },
      named("instruction", name)),
    h("span", { class: "hint" }, say(`instruction.${name}.hint`)))))];
}

async function instruct(shown, name, actions, changed) {
  const { refund_request_id: id, attempts } = shown.row;
  const reason = { name: "reason", label: say("field.reason"), hint: say("field.reason.hint"), max: 256 };
  const confirm = { name: "confirm", label: say("field.confirm", { text: id }), typed: id, max: 128 };
  const verdict = [
    { name: "as", label: say("field.as"), kind: "radio", options: [["succeeded", say("field.as.succeeded")], ["failed", say("field.as.failed")]] },
    { name: "evidence", label: say("field.evidence"), hint: say("field.evidence.hint"), kind: "area", max: 1024 },
    { name: "next_action", label: say("field.next_action"), hint: say("field.next_action.hint"), kind: "choice", optional: true, when: ["as", "failed"],
      options: [["", say("field.next_action.same")], ...actions.map((action) => [action, named("action", action)])] },
  ];
  const done = await ask({
    title: `${named("instruction", name)}: ${id}`,
    what: [say(`instruction.${name}.what`), ...(name === "settle" ? [say("instruction.settle.calls", { calls: String(attempts) })] : [])],
    go: named("instruction", name),
    grave: GRAVE.includes(name),
    fields: [...(name === "settle" ? verdict : []), reason, ...(GRAVE.includes(name) ? [confirm] : [])],
    send: (values) => post(`/api/refunds/${encodeURIComponent(id)}/instructions`, { ...values, instruction: name, ...(name === "settle" ? { attempts } : {}) }),
  });
  if (done === null) return;
  const { answer } = done;
  const link = answer.reissued_as ? h("a", { href: `#/refund/${encodeURIComponent(answer.reissued_as)}` }, answer.reissued_as) : "";
  if (answer.accepted) tell("good", say("said.done"), answer.sentence, " ", link);
  else tell("bad", say(answer.result === "no_answer" ? "said.no_answer" : "said.refused"), answer.sentence);
  changed();
}

function past(moments) {
  return h("ol", { class: "timeline" }, ...moments.map((one, number) => h("li", {},
    h("div", { class: "at" }, moment(one.at)),
    h("div", {},
      h("span", {}, one.sentence),
      one.by ? h("span", { class: "sub" }, say("refund.by", { who: one.by })) : null,
      Object.keys(one.facts).length ? details(`moment-${number}`, say("refund.facts"), one.facts) : null))));
}

// Remembered here: what is shown anew as time goes by must not close what somebody reads.
const opened = new Set();

function details(key, title, found) {
  const name = `${location.hash} ${key}`;
  return h("details", { open: opened.has(name), on: { toggle: (event) => event.target.open ? opened.add(name) : opened.delete(name) } },
    h("summary", { id: `more-${key}` }, title),
    h("pre", { tabindex: "0" }, JSON.stringify(found, null, 2)));
}
