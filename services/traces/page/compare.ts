/** Two requests beside each other, span by span. */

import { formatChange, formatDuration } from "../../../shared/trace_view/format.ts";
import {
  requestNode,
  requestOutcome,
  requestTitle,
} from "../../../shared/trace_view/request_facts.ts";
import { type DiffNode, diffTraces, durationUs } from "../../../shared/trace_view/trace_diff.ts";
import { buildTree, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { outcomeWords, spanOf, tokenWords } from "./found_request.ts";
import { requestQuery } from "./requests.ts";
import { fetchTrace, lastSeconds, searchTraces } from "./trace_queries.ts";
import { field, h, indent, notice } from "./dom.ts";
import { listTable } from "./list_table.ts";
import { traceHref } from "./waterfall.ts";

/** A change is told from this share of the longer trace on. */
const CHANGE_SHARE = 0.01;
/** Requests to choose from, and how far back they are looked for. */
const OFFERED = 20;
const OFFERED_SECONDS = 86_400;

export function compareView(traceIds: readonly string[], signal: AbortSignal): HTMLElement {
  const inputs = ["A", "B"].map((name, index) =>
    h("input", [], {
      attributes: {
        type: "text",
        name: `trace_${name}`,
        value: traceIds[index] ?? "",
        placeholder: "trace id",
        spellcheck: "false",
      },
    })
  );
  const form = h("form.filters", [
    ...inputs.map((input, index) => field(`Trace ${index === 0 ? "A" : "B"}`, input)),
    h("div.actions", [h("button.primary", ["Compare"], { attributes: { type: "submit" } })]),
  ], {
    on: {
      submit: (event) => {
        event.preventDefault();
        const ids = inputs.map(({ value }) => encodeURIComponent(value.trim()));
        location.hash = `#/compare/${ids.join("/")}`;
      },
    },
  });
  const content = h("div");
  const [before = "", after = ""] = traceIds;
  if (before !== "" && after !== "") void show(content, { before, after, signal });
  else void offer(content, { before, after, signal });
  return h("section.compare", [h("h1", ["Compare"]), form, content]);
}

interface Pair {
  readonly before: string;
  readonly after: string;
  readonly signal: AbortSignal;
}

async function show(content: HTMLElement, { before, after, signal }: Pair): Promise<void> {
  content.replaceChildren(h("p.hint", ["Loading…"]));
  try {
    const trees = await Promise.all([load(before, signal), load(after, signal)]);
    content.replaceChildren(...comparison(...trees));
  } catch (error) {
    if (!signal.aborted) content.replaceChildren(notice(error));
  }
}

/** The newest requests, to choose the one that is missing from. */
async function offer(content: HTMLElement, { before, after, signal }: Pair): Promise<void> {
  try {
    const query = requestQuery({ outcome: "", minMs: "", model: "", traceql: "" });
    const options = { limit: OFFERED, ...lastSeconds(OFFERED_SECONDS), signal };
    const found = (await searchTraces(query, options))
      .filter(({ traceId }) => traceId !== before && traceId !== after);
    const rows = found.map((trace) => {
      const ids = before === "" ? [trace.traceId, after] : [before, trace.traceId];
      return [
        h("a", [new Date(trace.startMs).toLocaleTimeString([], { hour12: false })], {
          attributes: { href: `#/compare/${ids.join("/")}`, title: trace.traceId },
        }),
        formatDuration(spanOf(trace).durationMs * 1000),
        outcomeWords(trace),
        tokenWords(trace),
      ];
    });
    if (rows.length === 0) return;
    const missing = before === "" ? "A" : "B";
    content.replaceChildren(
      h("h2", [`Choose ${missing}`]),
      listTable(["Time", "Duration", "Outcome", "Tokens"], rows),
    );
  } catch (error) {
    if (!signal.aborted) content.replaceChildren(notice(error));
  }
}

async function load(traceId: string, signal: AbortSignal): Promise<TraceTree> {
  const spans = await fetchTrace(traceId, signal);
  if (spans.length === 0) throw new Error(`No span of trace ${traceId} is stored`);
  return buildTree(spans);
}

function comparison(before: TraceTree, after: TraceTree): HTMLElement[] {
  const diff = diffTraces(before, after);
  const longestUs = Math.max(before.endUs - before.startUs, after.endUs - after.startUs, 1);
  const rows: HTMLElement[] = [];
  const add = (node: DiffNode, depth: number) => {
    rows.push(diffRow(node, { depth, longestUs }));
    for (const child of node.children) add(child, depth + 1);
  };
  for (const root of diff.roots) add(root, 0);
  const head = ["Span", "A", "B", "Change", ""];
  return [
    h("dl.sides", [...side("A", before), ...side("B", after)]),
    h("div.diff", [listTable(head, rows)]),
  ];
}

function side(name: string, tree: TraceTree): HTMLElement[] {
  const { span } = requestNode(tree);
  const duration = formatDuration(tree.endUs - tree.startUs);
  return [
    h("dt", [name]),
    h("dd", [
      `${requestTitle(span)} ${requestOutcome(span)}, ${duration} `,
      h("a", [tree.traceId], { attributes: { href: traceHref(tree.traceId) } }),
    ]),
  ];
}

function diffRow(
  node: DiffNode,
  { depth, longestUs }: { readonly depth: number; readonly longestUs: number },
): HTMLElement {
  const { before, after } = node;
  const changeUs = durationUs(after) - durationUs(before);
  const isTold = Math.abs(changeUs) > longestUs * CHANGE_SHARE;
  const change = before === null ? "new" : after === null ? "gone" : formatChange(changeUs);
  const bar = (us: number) => {
    const element = h("i.size_bar");
    element.style.width = `${(us / longestUs * 100).toFixed(1)}%`;
    return element;
  };
  const name = h("td", [node.name, " ", h("small", [node.service])]);
  name.title = node.name;
  indent(name, depth);
  const row = h("tr", [
    name,
    h("td.time", [before === null ? "–" : formatDuration(durationUs(before))]),
    h("td.time", [after === null ? "–" : formatDuration(durationUs(after))]),
    h("td.time", [change]),
    h("td.bars_cell", [bar(durationUs(before)), bar(durationUs(after))]),
  ]);
  const isOneSided = before === null || after === null;
  row.classList.toggle("grew", isTold && changeUs > 0 && !isOneSided);
  row.classList.toggle("shrank", isTold && changeUs < 0 && !isOneSided);
  row.classList.toggle("one_sided", isOneSided);
  return row;
}
