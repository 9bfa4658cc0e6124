/** Holes: times in which a span was open and none of its children was, so that nothing explains them. */

import { isFedBySiblings, type SpanNode } from "./trace_tree.ts";

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
