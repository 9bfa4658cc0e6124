/** One request: its figures, its waterfall, what it waited for, and what to do with it. */

import { formatDuration, formatTimeOfDay } from "../../../shared/trace_view/format.ts";
import {
  REQUEST_SPAN_NAME,
  requestFigures,
  requestOutcome,
  requestTitle,
} from "../../../shared/trace_view/request_facts.ts";
import { numberAttribute } from "../../../shared/trace_view/span.ts";
import { traceHtml } from "../../../shared/trace_view/trace_html.ts";
import { allNodes, buildTree, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { fetchTrace } from "./backend.ts";
import { copyButton } from "./copy_button.ts";
import { button, h, notice } from "./dom.ts";
import { pathList, waterfall } from "./waterfall.ts";

export function traceView(traceId: string, signal: AbortSignal): HTMLElement {
  const content = h("div", [h("p.hint", ["Loading…"])]);
  const load = async () => {
    try {
      const spans = await fetchTrace(traceId, signal);
      content.replaceChildren(
        ...(spans.length === 0
          ? [
            notice("No span of this trace is stored: it is too old, not sampled, or not here yet"),
            button("Look again", () => void load()),
          ]
          : traceParts(buildTree(spans), load)),
      );
    } catch (error) {
      if (!signal.aborted) content.replaceChildren(notice(error));
    }
  };
  void load();
  return h("section.trace", [content]);
}

function traceParts(tree: TraceTree, reload: () => Promise<void>): HTMLElement[] {
  const request = requestNode(tree).span;
  return [
    h("h1", [requestTitle(request), " ", h("small", [requestOutcome(request)])]),
    h("p", [h("code", [tree.traceId])]),
    h("p.figures", [
      [
        `${formatDuration(tree.endUs - tree.startUs)} from ${formatTimeOfDay(tree.startUs)}`,
        ...requestFigures(request),
      ].join(" · "),
    ]),
    h("p.links", [
      copyButton("Copy trace id", tree.traceId),
      button("Download as HTML", () => download(tree)),
      button("Load again", () => void reload()),
      h("a", ["Compare…"], { attributes: { href: `#/compare/${tree.traceId}` } }),
    ]),
    ...tree.notes.map((note) => h("p.note", [note])),
    waterfall(tree, { isCompact: false }),
    h("div.columns", [
      h("section", [h("h2", ["Critical path"]), pathList(tree)]),
      ...decodeFacts(tree),
      ...transferFacts(tree),
    ]),
  ];
}

/** The node that stands for the request: not the page's, which is above it. */
export function requestNode(tree: TraceTree) {
  return allNodes(tree.roots).find(({ span }) => span.name === REQUEST_SPAN_NAME) ?? tree.roots[0];
}

function decodeFacts(tree: TraceTree): HTMLElement[] {
  return allNodes(tree.roots).filter(({ span }) => span.name === "engine.decode")
    .map(({ span }) =>
      factSection("Time between tokens", [
        ["median", milliseconds(numberAttribute(span, "itl_p50_ms"))],
        ["99th percentile", milliseconds(numberAttribute(span, "itl_p99_ms"))],
        ["longest", milliseconds(numberAttribute(span, "itl_max_ms"))],
        ["rows of the largest step", numberAttribute(span, "batch.max_rows")],
      ])
    );
}

function transferFacts(tree: TraceTree): HTMLElement[] {
  return allNodes(tree.roots).filter(({ span }) => /^kv\.(send|receive)$/.test(span.name))
    .map(({ span, startUs, endUs }) =>
      factSection(`${span.name} of ${span.service}`, [
        ["took", formatDuration(endUs - startUs)],
        ...Object.entries(span.attributes)
          .filter((entry): entry is [string, number] => typeof entry[1] === "number"),
      ])
    );
}

function factSection(
  title: string,
  rows: readonly (readonly [string, string | number | undefined])[],
): HTMLElement {
  const shown = rows.filter(([, value]) => value !== undefined);
  return h("section", [
    h("h2", [title]),
    h("table.pairs", [
      h(
        "tbody",
        shown.map(([name, value]) => h("tr", [h("th", [name]), h("td", [figure(value)])])),
      ),
    ]),
  ]);
}

function figure(value: string | number | undefined): string {
  return typeof value === "number"
    ? value.toLocaleString("en", { maximumFractionDigits: 2 })
    : value ?? "";
}

function milliseconds(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatDuration(ms * 1000);
}

function download(tree: TraceTree): void {
  const url = URL.createObjectURL(new Blob([traceHtml(tree)], { type: "text/html" }));
  h("a", [], { attributes: { href: url, download: `trace-${tree.traceId}.html` } }).click();
  URL.revokeObjectURL(url);
}
