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
import { traceHtml } from "../../../shared/trace_view/trace_html.ts";
import { traceJson } from "../../../shared/trace_view/trace_json.ts";
import { buildTree, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { copyButton } from "./copy_button.ts";
import { button, h, notice } from "./dom.ts";
import { kvTransferParts } from "./kv_transfers.ts";
import { neighbours } from "./neighbours.ts";
import { requestCurl } from "./request_curl.ts";
import { requestsHref } from "./requests.ts";
import { tokenTimelines } from "./token_timeline.ts";
import { traceLogs } from "./trace_logs.ts";
import { fetchTrace } from "./trace_queries.ts";
import { pathList, waterfall } from "./waterfall.ts";

export function traceView(traceId: string, signal: AbortSignal): HTMLElement {
  const heading = () => h("h1", ["Trace"]);
  const content = h("div", [heading(), h("p.hint", ["Loading…"])]);
  const load = async () => {
    try {
      const spans = await fetchTrace(traceId, signal);
      content.replaceChildren(
        ...(spans.length === 0
          ? [
            heading(),
            notice("No span of this trace is stored: it is too old, not sampled, or not here yet"),
            button("Look again", () => void load()),
          ]
          : traceParts(buildTree(spans), { reload: load, signal })),
      );
    } catch (error) {
      if (!signal.aborted) content.replaceChildren(heading(), notice(error));
    }
  };
  void load();
  return h("section.trace", [content]);
}

interface TraceActions {
  readonly reload: () => Promise<void>;
  readonly signal: AbortSignal;
}

function traceParts(tree: TraceTree, { reload, signal }: TraceActions): HTMLElement[] {
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
      h("a", ["Compare…"], { attributes: { href: `#/compare/${tree.traceId}` } }),
      h("a", ["Engine steps"], {
        attributes: {
          href: requestsHref(stepQuery(tree.traceId)),
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
    traceLogs(tree.traceId, signal),
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
