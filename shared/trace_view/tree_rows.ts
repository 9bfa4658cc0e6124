/** Nodes of a tree in drawing order, each with the branches that stand before its name. */

export interface TreeRow<T> {
  readonly node: T;
  /** `│ ├ `, or nothing at a top. */
  readonly branches: string;
}

export function treeRows<T extends { readonly children: readonly T[] }>(
  roots: readonly T[],
): TreeRow<T>[] {
  const rows: TreeRow<T>[] = [];
  const add = (node: T, own: string, below: string) => {
    rows.push({ node, branches: own });
    node.children.forEach((child, index) => {
      const isLast = index === node.children.length - 1;
      add(child, below + (isLast ? "└ " : "├ "), below + (isLast ? "  " : "│ "));
    });
  };
  for (const root of roots) add(root, "", "");
  return rows;
}
