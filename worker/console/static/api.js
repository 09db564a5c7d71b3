// The worker's answers. The session's second half is kept where no other origin can read it.

import { follow } from "./format.js";
import { language } from "./words.js";

const KEPT = "console.page";

/** What the worker refused, or that nobody knows whether it heard: `code` is then "lost". */
export class Refused extends Error {
  /** @param {string} code @param {string} text */
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

/** @param {string} half the session's, "" when it is over */
export function keep(half) {
  if (half) localStorage.setItem(KEPT, half);
  else localStorage.removeItem(KEPT);
}

/** @param {string} path */
export async function get(path) {
  return read(await sent(path, {}));
}

/** @param {string} path @param {object} fields */
export async function post(path, fields) {
  return read(await sent(path, asked(fields)));
}

/** Each line of an answer, as it comes. @param {string} path @param {object} fields */
export async function* stream(path, fields) {
  const answer = await sent(path, asked(fields));
  if (!answer.ok) throw await refusal(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch {
      throw new Refused("lost", "");
    }
    const lines = (rest + (part.value ?? "")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
    if (part.done) return;
  }
}

function asked(fields) {
  return { method: "POST", body: JSON.stringify(fields), headers: { "Content-Type": "application/json" } };
}

async function sent(path, options) {
  const url = new URL(path, location.origin);
  url.searchParams.set("language", language);
  const headers = { ...options.headers, "X-Console-Page": localStorage.getItem(KEPT) ?? "none" };
  try {
    const answer = await fetch(url, { ...options, headers, cache: "no-store", redirect: "error" });
    follow(answer.headers.get("Date"));
    return answer;
  } catch {
    throw new Refused("lost", "");
  }
}

async function read(answer) {
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? null : answer.json();
}

async function refusal(answer) {
  try {
    const { code, text } = await answer.json();
    return new Refused(code, text);
  } catch {
    return new Refused("broken", String(answer.status));
  }
}
