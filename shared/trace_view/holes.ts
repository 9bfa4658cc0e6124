/** Holes: times in which a span was open and none of its children was, so that nothing explains them. */

import { isFedBySiblings, type SpanNode, type TraceTree } from "./trace_tree.ts";

/** Smaller shares of a trace are no more than the edge of a bar. */
const DRAWN_SHARE = 0.004;

export interface Hole {
  readonly node: SpanNode;
  /** The child that ended before it; null at the beginning. */
  readonly after: SpanNode | null;
  readonly startUs: number;
  readonly endUs: number;
}

/**
 * The holes of one span, by time. A span without children explains itself, one that its siblings feed
 * is explained by them, and a stand-in says nothing.
 */
export function holesOf(node: SpanNode): Hole[] {
  if (node.children.length === 0 || node.isMissing || isFedBySiblings(node)) return [];
  const holes: Hole[] = [];
  let coveredUntilUs = node.startUs;
  let after: SpanNode | null = null;
  for (const child of node.children) {
    if (child.startUs > coveredUntilUs) {
      holes.push({
        node,
        after,
        startUs: coveredUntilUs,
        endUs: Math.min(child.startUs, node.endUs),
      });
    }
    if (child.endUs <= coveredUntilUs) continue;
    coveredUntilUs = child.endUs;
    after = child;
  }
  if (node.endUs > coveredUntilUs) {
    holes.push({ node, after, startUs: coveredUntilUs, endUs: node.endUs });
  }
  return holes.filter(({ startUs, endUs }) => endUs > startUs);
}

/** The holes of a span that can be seen in a drawing of the whole trace. */
export function drawnHoles(node: SpanNode, tree: TraceTree): Hole[] {
  const leastUs = (tree.endUs - tree.startUs) * DRAWN_SHARE;
  return holesOf(node).filter(({ startUs, endUs }) => endUs - startUs >= leastUs);
}
