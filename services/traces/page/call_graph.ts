/**
 * Who calls whom, from spans: a service calls another where a SERVER or CONSUMER span of the one is the
 * direct child of a CLIENT or PRODUCER span of the other. The same queries go to the built-in store and
 * to Tempo. Quantiles come from buckets that double, so they are no more than near.
 */

import { log2Quantile } from "../../../shared/traceql/log2_histogram.ts";
import { type MetricTotal, queryTotals } from "./trace_queries.ts";

const SERVICE = "resource.service.name";
const CALLER = "(kind = client || kind = producer)";
const CALLED = "(kind = server || kind = consumer)";
const QUANTILE = 0.95;
const MAX_CALLERS = 16;

export interface Figures {
  readonly count: number;
  readonly p95Seconds: number;
}

export interface CallEdge extends Figures {
  readonly from: string;
  readonly to: string;
}

export interface ServiceFigures extends Figures {
  readonly name: string;
  readonly failed: number;
  /** Spans that arrived of it, of any kind. */
  readonly spans: number;
}

export interface CallGraph {
  readonly services: readonly ServiceFigures[];
  readonly edges: readonly CallEdge[];
  /** Why there are no edges, in the store's words; empty where they could be asked for. */
  readonly edgesProblem: string;
  /** What each instance did, by its id. */
  readonly instances: ReadonlyMap<string, Figures>;
}

export interface GraphOptions {
  readonly sinceSeconds: number;
  readonly signal: AbortSignal;
}

/** Rejects with the store's own words. */
export async function fetchCallGraph(options: GraphOptions): Promise<CallGraph> {
  const byService = `by (${SERVICE})`;
  const [spans, called, failed, callers, instances] = await Promise.all([
    queryTotals(`{ } | count_over_time() ${byService}`, options),
    queryTotals(`{ ${CALLED} } | histogram_over_time(duration) ${byService}`, options),
    queryTotals(`{ ${CALLED} && status = error } | count_over_time() ${byService}`, options),
    queryTotals(`{ ${CALLER} } | count_over_time() ${byService}`, options),
    queryTotals(
      `{ ${CALLED} } | histogram_over_time(duration) by (resource.service.instance.id)`,
      options,
    ),
  ]);
  const calls = await Promise.all(
    busiest(counts(callers, SERVICE)).map((from) => fetchEdges(from, options)),
  ).catch((error) => {
    options.signal.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  });
  const figures = histograms(called, SERVICE);
  const failures = counts(failed, SERVICE);
  return {
    services: [...counts(spans, SERVICE)].map(([name, count]) => ({
      name,
      ...(figures.get(name) ?? { count: 0, p95Seconds: 0 }),
      failed: failures.get(name) ?? 0,
      spans: count,
    })).sort((a, b) => a.name < b.name ? -1 : 1),
    edges: calls instanceof Error ? [] : calls.flat(),
    edgesProblem: calls instanceof Error ? calls.message : "",
    instances: histograms(instances, "resource.service.instance.id"),
  };
}

/** Each of them is a query of its own. */
function busiest(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, MAX_CALLERS).map(([name]) => name);
}

async function fetchEdges(from: string, options: GraphOptions): Promise<CallEdge[]> {
  const name = JSON.stringify(from);
  const q = `{ ${SERVICE} = ${name} && ${CALLER} } > { ${SERVICE} != ${name} && ${CALLED} } ` +
    `| histogram_over_time(duration) by (${SERVICE})`;
  const figures = histograms(await queryTotals(q, options), SERVICE);
  return [...figures].map(([to, figure]) => ({ from, to, ...figure }));
}

function counts(totals: readonly MetricTotal[], label: string): Map<string, number> {
  return new Map(totals.map(({ labels, value }) => [String(labels[label] ?? ""), value]));
}

/** Buckets of one label's values, as a count and a quantile each. */
function histograms(totals: readonly MetricTotal[], label: string): Map<string, Figures> {
  const buckets = new Map<string, Map<number, number>>();
  for (const { labels, value } of totals) {
    const name = String(labels[label] ?? "");
    const ofName = buckets.get(name) ?? new Map<number, number>();
    buckets.set(name, ofName);
    ofName.set(Number(labels.__bucket ?? 0), value);
  }
  return new Map([...buckets].map(([name, ofName]) => [name, {
    count: [...ofName.values()].reduce((sum, count) => sum + count, 0),
    p95Seconds: log2Quantile(QUANTILE, ofName),
  }]));
}

/** Services in layers: each below all that call it, as far as calls form no ring. */
export function layers(graph: Pick<CallGraph, "services" | "edges">): string[][] {
  const names = [
    ...new Set([
      ...graph.edges.flatMap(({ from, to }) => [from, to]),
      ...graph.services.map(({ name }) => name),
    ]),
  ].sort();
  const depths = new Map<string, number>();
  const depthOf = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    // Counts as not called while its own callers are looked at: so a ring ends.
    depths.set(name, 0);
    const callers = graph.edges.filter(({ to }) => to === name);
    const depth = Math.max(0, ...callers.map(({ from }) => depthOf(from) + 1));
    depths.set(name, depth);
    return depth;
  };
  const found: string[][] = [];
  for (const name of names) (found[depthOf(name)] ??= []).push(name);
  return [...found].map((layer) => layer ?? []).filter((layer) => layer.length > 0);
}
