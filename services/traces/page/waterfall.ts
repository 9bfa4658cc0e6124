/** A trace as rows of bars: critical path, holes, events, errors; each row unfolds what its span says. */

import { spansOnPath } from "../../../shared/trace_view/critical_path.ts";
import { counted, formatDuration, formatShare } from "../../../shared/trace_view/format.ts";
import { drawnHoles } from "../../../shared/trace_view/holes.ts";
import { pathPlaces } from "../../../shared/trace_view/path_places.ts";
import { serviceHues } from "../../../shared/trace_view/service_hues.ts";
import { spanFacts, spanLabel } from "../../../shared/trace_view/span_facts.ts";
import { allNodes, type SpanNode, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { h, indent, place } from "./dom.ts";

/** Smaller parts of the critical path are counted together. */
const LISTED_SHARE = 0.005;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

export interface WaterfallOptions {
  /**
   * Its spans are still coming: what is not told yet is no hole, and on no path, and rows do not unfold,
   * because they are drawn again and again.
   */
  readonly isFillingIn: boolean;
}

interface Drawing extends WaterfallOptions {
  readonly tree: TraceTree;
  readonly onPath: ReadonlySet<SpanNode>;
  readonly hues: ReadonlyMap<string, number>;
}

/** The rows with their legend and axis. */
export function waterfall(tree: TraceTree, options: WaterfallOptions): HTMLElement {
  const drawing = {
    ...options,
    tree,
    hues: serviceHues(allNodes(tree.roots).map(({ span }) => span.service)),
    onPath: options.isFillingIn ? new Set<SpanNode>() : spansOnPath(tree),
  };
  const rows: HTMLElement[] = [];
  const add = (node: SpanNode, depth: number) => {
    rows.push(row(node, { ...drawing, depth }));
    for (const child of node.children) add(child, depth + 1);
  };
  for (const root of tree.roots) add(root, 0);
  return h("div.waterfall", [legend(drawing), axis(tree), ...rows], {
    attributes: { role: "group", "aria-label": "Waterfall of the request" },
  });
}

function legend({ hues, isFillingIn }: Drawing): HTMLElement {
  return h("p.legend", [
    ...[...hues].map(([name, hue]) => h(`span.key.hue${hue}`, [name || "(unknown)"])),
    ...(isFillingIn
      ? []
      : [h("span.key.on_path", ["critical path"]), h("span.key.hole_key", ["hole"])]),
    h("span.key.event_key", ["event"]),
  ]);
}

function axis(tree: TraceTree): HTMLElement {
  const totalUs = tree.endUs - tree.startUs;
  const ticks = TICKS.map((share) => {
    const side = share === 0 ? "first" : share === 1 ? "last" : "middle";
    return place(h(`span.tick.${side}`, [formatDuration(totalUs * share)]), { left: share });
  });
  return h("div.axis", [h("span"), h("span.track", ticks), h("span")], {
    attributes: { "aria-hidden": "true" },
  });
}

function row(node: SpanNode, drawing: Drawing & { readonly depth: number }): HTMLElement {
  const { span } = node;
  const { tree, hues, depth } = drawing;
  const isOpen = span.endUs === null;
  const isFailed = span.status === "error";
  const isOnPath = drawing.onPath.has(node);
  const name = h("span.name", [
    span.name,
    " ",
    isFailed ? h("strong", ["failed "]) : null,
    h("small", [spanLabel(span)]),
    isOnPath ? h("span.unseen", [", on the critical path"]) : null,
  ]);
  name.title = `${span.name} ${spanLabel(span)}`;
  indent(name, depth);
  const cells = [
    name,
    track(node, drawing),
    h("span.time", [isOpen ? "open" : formatDuration(node.endUs - node.startUs)]),
  ];
  const classes = [
    `hue${hues.get(span.service) ?? 0}`,
    ...(isOnPath ? ["on_path"] : []),
    ...(isFailed ? ["failed"] : []),
    ...(isOpen ? ["open_span"] : []),
  ];
  const element = drawing.isFillingIn ? h("div.row", cells) : h("details.row", [
    h("summary", cells, { attributes: { "data-key": span.spanId } }),
    facts(node, tree),
  ]);
  element.classList.add(...classes);
  return element;
}

function track(node: SpanNode, { tree, isFillingIn }: Drawing): HTMLElement {
  const totalUs = Math.max(tree.endUs - tree.startUs, 1);
  const at = (us: number) => (us - tree.startUs) / totalUs;
  const bar = ({ startUs, endUs }: { startUs: number; endUs: number }) => ({
    left: at(startUs),
    width: (endUs - startUs) / totalUs,
  });
  const shiftUs = node.startUs - node.span.startUs;
  const holes = isFillingIn ? [] : drawnHoles(node, tree);
  return h("span.track", [
    place(h("i.bar"), bar(node)),
    ...holes.map((hole) => place(h("i.hole"), bar(hole))),
    ...node.span.events.map(({ name, timeUs }) =>
      place(h("i.event", [], { attributes: { title: name } }), { left: at(timeUs + shiftUs) })
    ),
  ]);
}

function facts(node: SpanNode, tree: TraceTree): HTMLElement {
  const rows = spanFacts(node, tree).map(({ name, value, otherTraceId }) =>
    h("tr", [
      h("th", [name]),
      h(
        "td",
        otherTraceId === undefined ? [value] : [
          value.slice(0, -otherTraceId.length),
          h("a", [otherTraceId], { attributes: { href: traceHref(otherTraceId) } }),
        ],
      ),
    ])
  );
  return h("div.facts", [h("table", [h("tbody", rows)])]);
}

/** Where one trace is shown. */
export function traceHref(traceId: string): string {
  return `#/trace/${encodeURIComponent(traceId)}`;
}

/** What the request waited for, the longest first, and the small rest as one. */
export function pathList(tree: TraceTree): HTMLElement {
  const totalUs = tree.endUs - tree.startUs;
  const places = pathPlaces(tree);
  const listed = places.filter(({ us }) => us >= totalUs * LISTED_SHARE);
  const item = (name: string, us: number) =>
    h("li", [
      h("span", [name]),
      h("span.time", [`${formatDuration(us)} · ${formatShare(us, totalUs)}`]),
    ]);
  const restUs = places.slice(listed.length).reduce((sum, { us }) => sum + us, 0);
  const rest = places.length - listed.length;
  return h("ol.path_list", [
    ...listed.map(({ place, us }) => item(place, us)),
    rest === 0 ? null : item(counted(rest, "other place"), restUs),
  ]);
}
