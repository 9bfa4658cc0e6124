/**
 * Which spans a request waited for.
 *
 * From the end of the request backwards: what ended last is what was waited for, and within it the
 * same again; where no child was open, the span itself. Two kinds of span only wait, and the path goes on
 * where the work is: one without children that links to spans of the same trace waited for those
 * (`kv.wait` for `kv.receive`), and one that its siblings feed waited for them while they were open
 * (`kv.send` for `engine.prefill`, `http.stream` for the generation), and so did what hangs below it
 * (`kv.receive`, which is open from the first part on). The parts add up to the duration of the request.
 */

import { allNodes, isFedBySiblings, type SpanNode, type TraceTree } from "./trace_tree.ts";

const LEAST_SHARE = 0.01;

export interface PathPart {
  readonly node: SpanNode;
  readonly startUs: number;
  readonly endUs: number;
}

interface Walk {
  readonly byId: ReadonlyMap<string, SpanNode>;
  readonly parents: ReadonlyMap<SpanNode, SpanNode>;
  /** Being followed: links may form rings. */
  readonly open: Set<SpanNode>;
  readonly parts: PathPart[];
}

/** The parts of the path, by time. */
export function criticalPath(roots: readonly [SpanNode, ...SpanNode[]]): PathPart[] {
  const nodes = allNodes(roots);
  const parents = new Map<SpanNode, SpanNode>();
  for (const node of nodes) for (const child of node.children) parents.set(child, node);
  const walk: Walk = {
    byId: new Map(nodes.map((node) => [node.span.spanId, node])),
    parents,
    open: new Set(),
    parts: [],
  };
  const [root] = roots;
  follow(root, { startUs: root.startUs, endUs: root.endUs }, walk);
  return walk.parts.reverse();
}

/** Time on the path by span, the longest first. */
export function pathShares(parts: readonly PathPart[]): { node: SpanNode; us: number }[] {
  const shares = new Map<SpanNode, number>();
  for (const { node, startUs, endUs } of parts) {
    shares.set(node, (shares.get(node) ?? 0) + endUs - startUs);
  }
  return [...shares].map(([node, us]) => ({ node, us })).sort((a, b) => b.us - a.us);
}

/** The spans that make up the path, without those that take next to nothing of it. */
export function spansOnPath(tree: TraceTree): ReadonlySet<SpanNode> {
  const leastUs = (tree.endUs - tree.startUs) * LEAST_SHARE;
  const shares = pathShares(criticalPath(tree.roots));
  return new Set(shares.filter(({ us }) => us >= leastUs).map(({ node }) => node));
}

interface Interval {
  readonly startUs: number;
  readonly endUs: number;
}

/** Adds the parts of `interval` that lies in `node`, the last first. */
function follow(node: SpanNode, interval: Interval, walk: Walk): void {
  if (walk.open.has(node)) return add(walk, { node, ...interval });
  walk.open.add(node);
  let untilUs = interval.endUs;
  for (const cause of causes(node, walk)) {
    const startUs = Math.max(cause.startUs, interval.startUs);
    const endUs = Math.min(cause.endUs, untilUs);
    if (endUs <= startUs) continue;
    addOwn(node, { startUs: endUs, endUs: untilUs }, walk);
    follow(cause, { startUs, endUs }, walk);
    untilUs = startUs;
  }
  addOwn(node, { startUs: interval.startUs, endUs: untilUs }, walk);
  walk.open.delete(node);
}

/** Adds time that no child of `node` explains: its own, or that of the siblings which feed it. */
function addOwn(node: SpanNode, interval: Interval, walk: Walk): void {
  let untilUs = interval.endUs;
  for (const feeder of feeders(node, walk)) {
    const startUs = Math.max(feeder.startUs, interval.startUs);
    const endUs = Math.min(feeder.endUs, untilUs);
    if (endUs <= startUs) continue;
    add(walk, { node, startUs: endUs, endUs: untilUs });
    follow(feeder, { startUs, endUs }, walk);
    untilUs = startUs;
  }
  add(walk, { node, startUs: interval.startUs, endUs: untilUs });
}

function add(walk: Walk, part: PathPart): void {
  if (part.endUs > part.startUs) walk.parts.push(part);
}

/** What a span may have waited for, the last end first. */
function causes(node: SpanNode, walk: Walk): SpanNode[] {
  const found = node.children.length > 0 ? [...node.children] : linkedTo(node, walk);
  return found.sort((a, b) => b.endUs - a.endUs);
}

/** The spans that work while `node`, or the one it hangs below, waits for what they make: the last end first. */
function feeders(node: SpanNode, { parents, open }: Walk): SpanNode[] {
  const fed = ancestors(node, parents).slice(0, 2).find(isFedBySiblings);
  if (fed === undefined) return [];
  const siblings = parents.get(fed)?.children ?? [];
  return siblings.filter((it) => it !== fed && !isFedBySiblings(it) && !open.has(it))
    .sort((a, b) => b.endUs - a.endUs);
}

function linkedTo(node: SpanNode, walk: Walk): SpanNode[] {
  if (node.span.links.length === 0) return [];
  const above = new Set(ancestors(node, walk.parents));
  return node.span.links.flatMap(({ spanId }) => {
    const target = walk.byId.get(spanId);
    // The whole branch that led to the linked span, up to what both have in common.
    const branch = ancestors(target, walk.parents).filter((it) => !above.has(it)).at(-1);
    return branch === undefined ? [] : [branch];
  });
}

/** A span and all above it. */
function ancestors(node: SpanNode | undefined, parents: ReadonlyMap<SpanNode, SpanNode>) {
  const found: SpanNode[] = [];
  for (let at = node; at !== undefined; at = parents.get(at)) found.push(at);
  return found;
}
