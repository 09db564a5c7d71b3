// What is shown, by what the address says after '#'; brought up to date while somebody looks.

import { Refused, get, keep, post } from "./api.js";
import { trouble } from "./dialog.js";
import { h, show } from "./dom.js";
import { overview } from "./overview.js";
import { refund } from "./refund.js";
import { hush } from "./said.js";
import { signIn } from "./signin.js";
import { submit } from "./submit.js";
import { language, preferred, say, speak } from "./words.js";

const EVERY_MS = 4_000;
const element = (id) => /** @type {any} */ (document.getElementById(id));
const main = element("main");
let session = { kind: "token", who: "", channels: [], next_actions: [], states: [] };
/** @type {(() => Promise<any>) | null} */
let refresh = null;
let shown = 0;
let under_way = 0;

async function enter() {
  arrived(await get("/api/session"));
}

function arrived(found) {
  session = found;
  const signed_in = session.who !== "";
  for (const id of ["nav", "search"]) element(id).hidden = !signed_in;
  element("sign-out").hidden = !signed_in || session.kind === "proxy";
  element("who").textContent = session.who;
  route();
}

function route() {
  const [, view, escaped] = location.hash.split("/");
  const name = plain(escaped ?? "");
  shown += 1;
  refresh = null;
  hush();
  main.replaceChildren();
  show(element("notices"));
  if (session.who === "") return signIn(main, session.kind, enter);
  if (view === "refund" && name) refresh = refund(main, name, session.next_actions, update);
  else if (view === "new") submit(main, session.channels);
  else refresh = overview(main, session.states, update);
  for (const [id, here] of [["nav-overview", !view], ["nav-new", view === "new"]]) {
    if (here) element(id).setAttribute("aria-current", "page");
    else element(id).removeAttribute("aria-current");
  }
  document.title = [view === "refund" ? name : say(view === "new" ? "nav.new" : "nav.overview"), say("title")].join(" – ");
  return update();
}

function plain(escaped) {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

async function update() {
  const mine = shown;
  if (refresh === null) return;
  under_way += 1;
  try {
    const all = await refresh();
    if (mine === shown) notices(all);
  } catch (error) {
    if (mine !== shown) return;
    if (!(error instanceof Refused)) throw error;
    if (error.code === "signed_out") {
      keep("");
      await enter();
    } else {
      for (const one of main.querySelectorAll(".reading")) one.remove();
      show(element("notices"), h("p", { class: "box bad", role: "alert" }, trouble(error)));
    }
  } finally {
    under_way -= 1;
  }
}

function notices(all) {
  show(
    element("notices"),
    all !== null && all.progress < 1
      ? h("p", { class: "box" }, h("label", { for: "progress" }, say("progress", { percent: Math.floor(all.progress * 100) })), h("progress", { id: "progress", max: "1", value: all.progress }))
      : null,
    all?.credentials.some((one) => one.everything) ? h("p", { class: "box bad" }, h("strong", {}, say("switch.on"))) : null,
  );
}

async function choose(wanted) {
  await speak(wanted);
  element("language").textContent = wanted === "zh" ? "English" : "中文";
  element("language").lang = wanted === "zh" ? "en" : "zh-CN";
}

element("language").addEventListener("click", async () => {
  await choose(language === "zh" ? "en" : "zh");
  route();
});
element("sign-out").addEventListener("click", async () => {
  const ended = post("/api/session/end", {});
  // Whether or not the worker hears it: with half a session this browser can do nothing more.
  keep("");
  const unheard = await ended.catch((error) => error);
  arrived({ ...session, who: "" });
  if (unheard && unheard.code !== "signed_out") show(element("notices"), h("p", { class: "box bad", role: "alert" }, trouble(unheard)));
});
element("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = element("search-id").value.trim();
  if (wanted) location.hash = `#/refund/${encodeURIComponent(wanted)}`;
});
element("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => {
  route();
  main.focus();
});
// A worker that is slow to answer is not asked again meanwhile.
setInterval(() => document.hidden || element("dialog").open || under_way > 0 || update(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || update());

await choose(preferred());
try {
  await enter();
} catch (error) {
  show(element("notices"), h("p", { class: "box bad", role: "alert" }, trouble(error)));
}
