/** The requests that were in the same steps of the same engine as this one. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { REQUEST_SPAN_NAME } from "../../../shared/trace_view/request_facts.ts";
import { numberAttribute } from "../../../shared/trace_view/span.ts";
import { allNodes, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { type Child, h, notice } from "./dom.ts";
import { outcomeWords, spanOf, tokenWords } from "./found_request.ts";
import { listTable } from "./list_table.ts";
import { type FoundTrace, type KeyValues, searchTraces } from "./trace_queries.ts";
import { traceHref } from "./waterfall.ts";

const FIRST = "engine.first_step";
const LAST = "engine.last_step";
/** Of each part of the request. */
const LIMIT = 20;
/** Clocks differ. */
const SLACK_SECONDS = 5;
const COLUMNS = [
  "request.outcome",
  "http.response.status_code",
  "error.type",
  "gen_ai.usage.input_tokens",
  "gen_ai.usage.output_tokens",
  FIRST,
  LAST,
];

const HEAD = ["Request", "Steps shared", "Was in", "Outcome", "Duration", "Tokens"];

/** Steps of one instance's engine that a request was in. */
export interface StepRange {
  readonly part: string;
  readonly instance: string;
  readonly first: number;
  readonly last: number;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** The spans that say in which steps they were. */
export function stepRanges(tree: TraceTree): StepRange[] {
  return allNodes(tree.roots).flatMap(({ span, startUs, endUs }) => {
    const first = numberAttribute(span, FIRST);
    const last = numberAttribute(span, LAST);
    if (first === undefined || last === undefined || span.instance === "") return [];
    return [{
      part: span.name,
      instance: span.instance,
      first,
      last,
      startSeconds: Math.floor(startUs / 1e6) - SLACK_SECONDS,
      endSeconds: Math.ceil(endUs / 1e6) + SLACK_SECONDS,
    }];
  });
}

/** The TraceQL that finds who shared these steps, with what their own requests say. */
export function neighbourQuery({ instance, first, last }: StepRange): string {
  const spanset = `{ resource.service.instance.id = ${JSON.stringify(instance)} && ` +
    `span.${FIRST} <= ${last} && span.${LAST} >= ${first} }`;
  const columns = COLUMNS.map((name) => `span.${name}`).join(", ");
  return `(${spanset} || (${spanset} && { name = "${REQUEST_SPAN_NAME}" })) ` +
    `| select(name, ${columns})`;
}

/** How many steps both were in. */
export function sharedSteps(range: StepRange, attributes: KeyValues): number {
  const { [FIRST]: theirFirst, [LAST]: theirLast } = attributes;
  if (typeof theirFirst !== "number" || typeof theirLast !== "number") return 0;
  const shared = Math.min(range.last, theirLast) - Math.max(range.first, theirFirst) + 1;
  return Math.max(shared, 0);
}

/** A section that fills in when the store has answered; null where no span tells its steps. */
export function neighbours(tree: TraceTree, signal: AbortSignal): HTMLElement | null {
  const ranges = stepRanges(tree);
  if (ranges.length === 0) return null;
  const content = h("div", [h("p.hint", ["Looking…"])]);
  const look = async () => {
    try {
      const found = await Promise.all(
        ranges.map(async (range) =>
          (await searchTraces(neighbourQuery(range), { ...range, limit: LIMIT + 1, signal }))
            .filter(({ traceId }) => traceId !== tree.traceId)
            .flatMap((trace) => neighbourRow(trace, range))
        ),
      );
      const rows = found.flat();
      content.replaceChildren(
        rows.length === 0
          ? h("p.hint", ["It had all its steps to itself."])
          : listTable(HEAD, rows),
      );
    } catch (error) {
      if (!signal.aborted) content.replaceChildren(notice(error));
    }
  };
  void look();
  return h("section.neighbours", [h("h2", ["Shared its steps"]), content]);
}

function neighbourRow(trace: FoundTrace, range: StepRange): Child[][] {
  const span = trace.spans.find(({ attributes }) => sharedSteps(range, attributes) > 0);
  if (span === undefined) return [];
  const own = range.last - range.first + 1;
  const hasRequest = trace.spans.some(({ name }) => name === REQUEST_SPAN_NAME);
  return [[
    h("a", [trace.traceId.slice(0, 8)], {
      attributes: { href: traceHref(trace.traceId), title: trace.traceId },
    }),
    `${sharedSteps(range, span.attributes)} of ${own} in ${range.part}`,
    `${span.name} ${formatDuration(span.durationMs * 1000)}`,
    hasRequest ? outcomeWords(trace) : "running",
    hasRequest ? formatDuration(spanOf(trace).durationMs * 1000) : "",
    tokenWords(trace),
  ]];
}
