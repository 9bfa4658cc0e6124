/** One request: its figures, its waterfall, what it waited for and with whom, and what to do with it. */

import { formatDuration, formatTimeOfDay } from "../../../shared/trace_view/format.ts";
import {
  REQUEST_SPAN_NAME,
  requestFigures,
  requestNode,
  requestOutcome,
  requestTitle,
} from "../../../shared/trace_view/request_facts.ts";
import { failures } from "../../../shared/trace_view/span_facts.ts";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { traceHtml } from "../../../shared/trace_view/trace_html.ts";
import { traceJson } from "../../../shared/trace_view/trace_json.ts";
import { buildTree, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { copyButton } from "./copy_button.ts";
import { button, h, nameTab, notice, pause, redraw, showProblem } from "./dom.ts";
import { kvTransferParts } from "./kv_transfers.ts";
import { neighbours } from "./neighbours.ts";
import { requestCurl } from "./request_curl.ts";
import { requestsHref } from "./requests.ts";
import { tokenTimelines } from "./token_timeline.ts";
import { type TraceLogs, traceLogs } from "./trace_logs.ts";
import { fetchTrace } from "./trace_queries.ts";
import { pathList, waterfall } from "./waterfall.ts";

const POLL_MS = 1_000;
/** Services export their spans up to seconds after their end. */
const SETTLED_MS = 10_000;
/** Looks at a trace that does not come, or does not end. */
const MAX_LOOKS = 600;

/** Drawn again whenever spans came, until all are there. */
export function traceView(traceId: string, signal: AbortSignal): HTMLElement {
  const content = h("div", [h("h1", ["Trace"]), h("p.hint", ["Loading…"])]);
  const logs = traceLogs(traceId, signal);
  let drawn = -1;
  const draw = (spans: readonly ViewSpan[]) => {
    drawn = spans.length;
    redraw(
      content,
      spans.length === 0
        ? [
          h("h1", ["Trace"]),
          notice("No span of this trace is stored: it is too old, not sampled, or not here yet"),
          logs.element,
        ]
        : traceParts(buildTree(spans), { logs, reload, signal }),
    );
    void logs.show();
    nameTab(content);
  };
  const look = async () => {
    try {
      const spans = await fetchTrace(traceId, signal);
      if (spans.length !== drawn) draw(spans);
      return spans;
    } catch (error) {
      drawn = -1;
      if (!signal.aborted) showProblem(content, error, h("h1", ["Trace"]));
      return [];
    }
  };
  const reload = async () => {
    drawn = -1;
    await look();
  };
  const follow = async () => {
    for (let looks = 0; looks < MAX_LOOKS && !signal.aborted; looks++) {
      if (isSettled(await look())) return;
      await pause(POLL_MS, signal);
    }
  };
  void follow();
  return h("section.trace", [content]);
}

/** Whether the request has ended, and so long ago that its spans are all there. */
function isSettled(spans: readonly ViewSpan[]): boolean {
  const hasEnded = spans.some(({ name, parentSpanId }) =>
    name === REQUEST_SPAN_NAME || parentSpanId === ""
  );
  const newestUs = spans.reduce((us, { startUs, endUs }) => Math.max(us, endUs ?? startUs), 0);
  return hasEnded && newestUs / 1000 < Date.now() - SETTLED_MS;
}

interface TraceActions {
  readonly logs: TraceLogs;
  readonly reload: () => Promise<void>;
  readonly signal: AbortSignal;
}

function traceParts(tree: TraceTree, { logs, reload, signal }: TraceActions): HTMLElement[] {
  const request = requestNode(tree).span;
  const isRequest = request.name === REQUEST_SPAN_NAME;
  const shared = neighbours(tree, signal);
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
      ...(isRequest ? [copyButton("Copy as curl", requestCurl(request, location.origin))] : []),
      copyButton("Copy as JSON", JSON.stringify(traceJson(tree), null, 2)),
      button("Download as HTML", () => download(tree)),
      button("Load again", () => void reload()),
      h("a", ["Compare…"], {
        attributes: { href: `#/compare/${tree.traceId}`, "data-key": "compare" },
      }),
      h("a", ["Engine steps"], {
        attributes: {
          href: requestsHref(stepQuery(tree.traceId)),
          "data-key": "steps",
          title: "Spans of level 3, each step a trace of its own",
        },
      }),
    ]),
    ...failureList(tree),
    ...tree.notes.map((note) => h("p.note", [note])),
    waterfall(tree, { isFillingIn: false }),
    ...tokenTimelines(tree),
    h("div.columns", [
      h("section", [h("h2", ["Critical path"]), pathList(tree)]),
      ...kvTransferParts(tree),
    ]),
    ...(shared === null ? [] : [shared]),
    logs.element,
  ];
}

/** What failed in it, and why. */
function failureList(tree: TraceTree): HTMLElement[] {
  const texts = failures(tree);
  return texts.length === 0 ? [] : [h("ul.notice", texts.map((text) => h("li", [text])))];
}

/** The steps of engines that the request was in; they link to it. */
function stepQuery(traceId: string): string {
  return `{ name = "engine.step" && link:traceID = "${traceId}" }`;
}

function download(tree: TraceTree): void {
  const url = URL.createObjectURL(new Blob([traceHtml(tree)], { type: "text/html" }));
  h("a", [], { attributes: { href: url, download: `trace-${tree.traceId}.html` } }).click();
  URL.revokeObjectURL(url);
}
