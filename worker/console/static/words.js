// The page's words, in the language of whoever reads it. What the worker says comes in that language already.

const KEPT = "console.language";
/** @type {Record<string, string>} */
let table = {};
/** @type {"en" | "zh"} */
export let language = "en";

/** The language that was chosen before, else the browser's, if it is one of ours. */
export function preferred() {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** @param {"en" | "zh"} wanted */
export async function speak(wanted) {
  const answer = await fetch(`/${wanted}.json`);
  table = await answer.json();
  language = wanted;
  localStorage.setItem(KEPT, wanted);
  document.documentElement.lang = wanted === "zh" ? "zh-CN" : "en";
  document.title = say("title");
  for (const one of document.querySelectorAll("[data-word]")) one.textContent = say(one.getAttribute("data-word"));
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", say(one.getAttribute("data-label")));
  for (const one of document.querySelectorAll("[data-placeholder]")) one.setAttribute("placeholder", say(one.getAttribute("data-placeholder")));
}

/**
 * @param {string} key
 * @param {Record<string, string | number>} values for the places in braces
 */
export function say(key, values = {}) {
  return (table[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** The words for a value of the protocol; the value itself where a newer worker has one that we do not know. */
export function named(kind, value) {
  if (!value) return "";
  return table[`${kind}.${value}`] ?? value;
}
