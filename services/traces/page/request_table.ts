/** The table of requests: those that run, then those that the search found. */

import { h } from "./dom.ts";
import { itlP99Ms, outcomeWords, requestIdOf, spanOf, tokenWords } from "./found_request.ts";
import { listTable } from "./list_table.ts";
import { durationText, REQUEST_HEAD, requestLink, workerCell } from "./request_cells.ts";
import { gapFigures } from "./token_gaps.ts";
import type { FoundTrace } from "./trace_queries.ts";

/** A request of so many medians of the list stands out. */
const SLOW_FACTOR = 2;

/** Those that are to be compared, by their trace ids. */
export interface Marks {
  readonly marked: ReadonlySet<string>;
  readonly mark: (traceId: string, isMarked: boolean) => void;
}

export interface RequestTableOptions extends Marks {
  /** The rows of those that run. */
  readonly running: HTMLTableSectionElement;
}

export function requestTable(
  found: readonly FoundTrace[],
  { running, ...marks }: RequestTableOptions,
): HTMLElement {
  const durations = found.map((trace) => spanOf(trace).durationMs);
  const longestMs = Math.max(...durations, 1e-6);
  const slowMs = (gapFigures(durations)?.medianMs ?? 0) * SLOW_FACTOR;
  const rows = found.map((request) => requestRow(request, { ...marks, longestMs, slowMs }));
  return listTable(REQUEST_HEAD, rows, { first: running });
}

interface RowOptions extends Marks {
  readonly longestMs: number;
  readonly slowMs: number;
}

function requestRow(trace: FoundTrace, options: RowOptions): HTMLElement {
  const { traceId, startMs } = trace;
  const { durationMs, attributes } = spanOf(trace);
  const { longestMs, slowMs, marked, mark } = options;
  const outcome = outcomeWords(trace);
  const isFailed = trace.errorCount > 0 || /^(error|rejected)/.test(outcome);
  const isSlow = slowMs > 0 && durationMs > slowMs;
  const bar = h("i.size_bar");
  bar.style.width = `${(durationMs / longestMs * 100).toFixed(1)}%`;
  const check = h("input", [], {
    attributes: {
      type: "checkbox",
      "aria-label": `Compare ${traceId}`,
      "data-key": `compare ${traceId}`,
      checked: marked.has(traceId),
    },
    on: { change: (event) => mark(traceId, (event.target as HTMLInputElement).checked) },
  });
  const cells: (Node | string)[] = [
    check,
    requestLink({ traceId, key: requestIdOf(trace), startMs }),
    h("span.size", [
      h("span", [durationText(durationMs), isSlow ? h("strong.slow_mark", [" slow"]) : null]),
      bar,
    ]),
    h("span.outcome", [outcome]),
    durationText(attributes.ttft_ms),
    durationText(attributes.avg_itl_ms),
    durationText(itlP99Ms(trace)),
    tokenWords(trace),
    String(attributes["gen_ai.request.model"] ?? ""),
    workers(trace),
  ];
  const row = h("tr", cells.map((cell) => h("td", [cell])));
  row.classList.toggle("failed", isFailed);
  row.classList.toggle("slow", isSlow);
  return row;
}

function workers(trace: FoundTrace): Node | string {
  const { attributes } = spanOf(trace);
  const ids = [attributes.prefill_worker_id, attributes.decode_worker_id]
    .filter((id) => typeof id === "string");
  return ids.length === 0 ? trace.services.join(", ") : workerCell(ids);
}
