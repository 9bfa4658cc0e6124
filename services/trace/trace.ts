/** `deno task trace` and `trace diff`: find requests, draw them. */

import { diffTraces } from "../../shared/trace_view/trace_diff.ts";
import { diffLines } from "../../shared/trace_view/diff_text.ts";
import { diffJson, traceJson } from "../../shared/trace_view/trace_json.ts";
import { traceHtml } from "../../shared/trace_view/trace_html.ts";
import { buildTree, type TraceTree } from "../../shared/trace_view/trace_tree.ts";
import { type TextOptions, waterfallLines } from "../../shared/trace_view/waterfall_text.ts";
import { findInLogs } from "./find_in_logs.ts";
import { findInTempo, type TempoAccess } from "./find_in_tempo.ts";
import { openLogSources } from "./log_source.ts";
import type { TraceOptions } from "./options.ts";
import { parseQuery } from "./request_query.ts";

export interface TraceContext {
  /** Files and folders of logs; of no matter with a Tempo. */
  readonly logs: readonly string[];
  /** Null reads logs. */
  readonly tempo: TempoAccess | null;
  readonly text: TextOptions;
  readonly write: (line: string) => void;
}

/** Draws what the options ask for. Throws an Error that says what could not be found or read. */
export async function showTraces(options: TraceOptions, context: TraceContext): Promise<void> {
  const [tree, other] = await findTrees(options.requests, context);
  if (tree === undefined) throw new RangeError("Cannot draw nothing: name a request");
  if (other !== undefined) {
    const diff = diffTraces(tree, other);
    if (options.isJson) context.write(JSON.stringify(diffJson(diff)));
    else diffLines(diff, context.text).forEach(context.write);
  } else if (options.htmlPath !== undefined) {
    await Deno.writeTextFile(options.htmlPath, traceHtml(tree));
    context.write(`Wrote ${options.htmlPath}`);
  } else if (options.isJson) {
    context.write(JSON.stringify(traceJson(tree)));
  } else {
    waterfallLines(tree, context.text).forEach(context.write);
  }
}

async function findTrees(
  requests: readonly string[],
  { logs, tempo }: TraceContext,
): Promise<TraceTree[]> {
  const sources = tempo === null ? await openLogSources(logs) : [];
  const trees: TraceTree[] = [];
  for (const request of requests) {
    const query = parseQuery(request);
    const { spans, notes } = tempo === null
      ? await findInLogs(query, sources)
      : await findInTempo(query, tempo);
    const tree = buildTree(spans);
    trees.push({ ...tree, notes: [...tree.notes, ...notes] });
  }
  return trees;
}
