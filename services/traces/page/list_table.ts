import { type Child, h } from "./dom.ts";

/** Rows below a head; wider than its place, it scrolls in it. */
export function listTable(
  head: readonly string[],
  rows: readonly (readonly Child[])[],
): HTMLElement {
  return h("div.table_scroll", [
    h("table.list", [
      h("thead", [h("tr", head.map((name) => h("th", [name], { attributes: { scope: "col" } })))]),
      h("tbody", rows.map((cells) => h("tr", cells.map((cell) => h("td", [cell]))))),
    ]),
  ]);
}
