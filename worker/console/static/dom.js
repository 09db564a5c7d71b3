// Elements. There is no way here to make one from markup, so no text can become code.

/**
 * An element: h("a", {href: "#/", on: {click}}, "text", child). Attributes that are false or null are left out.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string | null | false)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, String(value));
    }
  }
  made.append(...children.filter((child) => child !== null && child !== false));
  return made;
}

/**
 * Show other children. What looks the same is left alone, and the focus stays where it was, so that a page that
 * follows the worker does not pull the rug from under who reads or types.
 * @param {Element} parent
 * @param {...(Node | string | null | false)} children
 */
export function show(parent, ...children) {
  const fresh = h("div", {}, ...children);
  if (fresh.innerHTML === parent.innerHTML) return;
  const focused = parent.contains(document.activeElement) ? document.activeElement?.id : "";
  parent.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus();
}

/**
 * A table that becomes a list of cards where there is no room; the roles keep it a table for who cannot see it.
 * @param {string} caption
 * @param {string[]} heads
 * @param {{cells: (Node | string)[], class?: string}[]} rows
 */
export function table(caption, heads, rows) {
  const head = h("tr", { role: "row" }, ...heads.map((text) => h("th", { scope: "col", role: "columnheader" }, text)));
  const body = rows.map((row) =>
    h(
      "tr",
      { role: "row", class: row.class },
      ...row.cells.map((cell, column) =>
        column === 0
          ? h("th", { scope: "row", role: "rowheader", "data-head": heads[column] }, cell)
          : h("td", { role: "cell", "data-head": heads[column] }, cell),
      ),
    ),
  );
  return h(
    "table",
    { role: "table" },
    h("caption", { class: "unseen" }, caption),
    h("thead", { role: "rowgroup" }, head),
    h("tbody", { role: "rowgroup" }, ...body),
  );
}
