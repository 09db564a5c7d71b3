// Amounts and times, as people write them. No amount is ever a number here: a browser's numbers end at 2^53.

import { h } from "./dom.js";
import { language, say } from "./words.js";

let behind_s = 0;

/** Ages are the worker's: this machine's clock may be wrong. @param {string | null} date of an answer */
export function follow(date) {
  if (date) behind_s = Math.round(Date.parse(date) / 1000 - Date.now() / 1000);
}

export function now_s() {
  return Date.now() / 1000 + behind_s;
}

/** "1050" and "10.50" of USD: "10.50 USD", with the thousands apart. */
export function money(amount) {
  return `${grouped(amount.text)} ${amount.currency}`;
}

/** @param {string} text */
export function grouped(text) {
  const [whole, decimals] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return decimals === undefined ? apart : `${apart}.${decimals}`;
}

/** How long ago, in its two largest units. @param {number} since_s */
export function age(since_s) {
  return duration(Math.max(0, now_s() - since_s));
}

/** @param {number} seconds */
export function duration(seconds) {
  const parts = [
    [Math.floor(seconds / 86_400), "age.d"],
    [Math.floor(seconds / 3_600) % 24, "age.h"],
    [Math.floor(seconds / 60) % 60, "age.m"],
    [Math.floor(seconds) % 60, "age.s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return say("age.now");
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => say(unit, { n: count }))
    .join(" ");
}

/** When the next call comes. @param {number | null} at_s */
export function until(at_s) {
  if (at_s === null) return say("next.none");
  const left_s = at_s - now_s();
  return left_s <= 0 ? say("next.now") : say("next.in", { time: duration(left_s) });
}

/** A moment, in this machine's zone; UTC is a pointer away. @param {number} at_s */
export function moment(at_s) {
  const at = new Date(at_s * 1000);
  const text = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  }).format(at);
  return h("time", { datetime: at.toISOString(), title: at.toISOString() }, text);
}
