import { criticalPath, pathShares } from "./critical_path.ts";
import { spanPlace } from "./span_place.ts";
import type { TraceTree } from "./trace_tree.ts";

export interface PathPlace {
  /** `engine.prefill_chunk [baton-prefill] × 22`. */
  readonly place: string;
  readonly us: number;
}

/** Where the critical path went, the longest first; spans of one name and service are told as one. */
export function pathPlaces(tree: TraceTree): PathPlace[] {
  const places = new Map<string, { count: number; us: number }>();
  for (const { node, us } of pathShares(criticalPath(tree.roots))) {
    const name = spanPlace(node.span);
    const place = places.get(name) ?? { count: 0, us: 0 };
    places.set(name, { count: place.count + 1, us: place.us + us });
  }
  return [...places]
    .map(([name, { count, us }]) => ({ place: count === 1 ? name : `${name} × ${count}`, us }))
    .sort((a, b) => b.us - a.us);
}
