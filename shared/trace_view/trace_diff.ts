/**
 * Two traces span by span: spans that stand at the same place in both trees are compared, the first of a
 * name among its siblings with the first, the second with the second.
 */

import { type Hole, holesOf } from "./holes.ts";
import { isFedBySiblings, type SpanNode, type TraceTree } from "./trace_tree.ts";

export interface DiffNode {
  readonly name: string;
  readonly service: string;
  /** Null when the span appeared in the second trace. */
  readonly before: SpanNode | null;
  /** Null when the span vanished from the second trace. */
  readonly after: SpanNode | null;
  readonly children: readonly DiffNode[];
}

export interface TraceDiff {
  readonly before: TraceTree;
  readonly after: TraceTree;
  readonly roots: readonly DiffNode[];
}

export interface SpanChange {
  readonly node: DiffNode;
  readonly changeUs: number;
}

/** Compares two traces. */
export function diffTraces(before: TraceTree, after: TraceTree): TraceDiff {
  const roots = pairUp(
    { nodes: before.roots, originUs: before.startUs },
    { nodes: after.roots, originUs: after.startUs },
  );
  return { before, after, roots };
}

/** Every node, each before its children. */
export function allDiffNodes(roots: readonly DiffNode[]): DiffNode[] {
  return roots.flatMap((node) => [node, ...allDiffNodes(node.children)]);
}

/** Changes of the time that spans of both traces spent by themselves, the largest first. */
export function ownTimeChanges(diff: TraceDiff): SpanChange[] {
  return allDiffNodes(diff.roots).flatMap((node) => {
    const { before, after } = node;
    if (before === null || after === null || isFedBySiblings(after)) return [];
    return [{ node, changeUs: ownUs(after) - ownUs(before) }];
  }).sort((a, b) => Math.abs(b.changeUs) - Math.abs(a.changeUs));
}

/** Spans of one trace only, without those below them. */
export function onlyIn(side: "before" | "after", roots: readonly DiffNode[]): DiffNode[] {
  const other = side === "before" ? "after" : "before";
  return roots.flatMap((node) => node[other] === null ? [node] : onlyIn(side, node.children));
}

/** Duration of a node in one of the traces; zero where it is not in it. */
export function durationUs(node: SpanNode | null): number {
  return node === null ? 0 : node.endUs - node.startUs;
}

/** Time in a span that no child explains. */
function ownUs(node: SpanNode): number {
  if (node.children.length === 0) return durationUs(node);
  return holesOf(node).reduce((sum, { startUs, endUs }: Hole) => sum + endUs - startUs, 0);
}

interface Siblings {
  readonly nodes: readonly SpanNode[];
  /** Start of their trace. */
  readonly originUs: number;
}

function pairUp(before: Siblings, after: Siblings): DiffNode[] {
  const rest = numbered(after.nodes);
  const pairs: DiffNode[] = [];
  for (const [key, node] of numbered(before.nodes)) {
    const partner = rest.get(key) ?? null;
    rest.delete(key);
    pairs.push(pair({ before: node, after: partner }, before, after));
  }
  for (const node of rest.values()) pairs.push(pair({ before: null, after: node }, before, after));
  const startOf = (pair: DiffNode) =>
    pair.before !== null
      ? pair.before.startUs - before.originUs
      : (pair.after?.startUs ?? 0) - after.originUs;
  return pairs.sort((a, b) => startOf(a) - startOf(b));
}

function pair(
  sides: { readonly before: SpanNode | null; readonly after: SpanNode | null },
  before: Siblings,
  after: Siblings,
): DiffNode {
  const shown = sides.after ?? sides.before;
  return {
    name: shown?.span.name ?? "",
    service: shown?.span.service ?? "",
    ...sides,
    children: pairUp(
      { nodes: sides.before?.children ?? [], originUs: before.originUs },
      { nodes: sides.after?.children ?? [], originUs: after.originUs },
    ),
  };
}

/** Siblings by their name and number of that name. */
function numbered(nodes: readonly SpanNode[]): Map<string, SpanNode> {
  const counts = new Map<string, number>();
  const byKey = new Map<string, SpanNode>();
  for (const node of nodes) {
    const number = counts.get(node.span.name) ?? 0;
    counts.set(node.span.name, number + 1);
    byKey.set(`${number} ${node.span.name}`, node);
  }
  return byKey;
}
