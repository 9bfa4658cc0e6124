import { type Child, h } from "./dom.ts";

function headCell(name: string): HTMLElement {
  return name === "" ? h("td") : h("th", [name], { attributes: { scope: "col" } });
}

export interface ListTableOptions {
  /** Rows that somebody else keeps, above the others. */
  readonly first?: HTMLTableSectionElement;
}

/** Rows of cells, or as they are, below a head; wider than its place, the table scrolls in it. */
export function listTable(
  head: readonly string[],
  rows: readonly (HTMLElement | readonly Child[])[],
  { first }: ListTableOptions = {},
): HTMLElement {
  const elements = rows.map((row) =>
    row instanceof HTMLElement ? row : h("tr", row.map((cell) => h("td", [cell])))
  );
  return h("div.table_scroll", [
    h("table.list", [
      h("thead", [h("tr", head.map(headCell))]),
      first ?? null,
      h("tbody", elements),
    ]),
  ]);
}
