/**
 * A trace as text for a terminal of any width.
 *
 * One line a span: marks, the tree, the service, the bar, the duration. In a bar `█` is a span's own
 * work, `━` the work of its children, `░` a hole, `┄` a time whose end is not known, `◆` an event.
 * `*` marks the spans that make up the critical path and `✗` a failed span. Below it in words: path, holes, errors, links,
 * events, and what is missing from the data.
 */

import { spansOnPath } from "./critical_path.ts";
import { counted, fit, formatDuration, formatShare, formatTimeOfDay, oneLine } from "./format.ts";
import { type Hole, holesOf } from "./holes.ts";
import { pathPlaces } from "./path_places.ts";
import { requestFigures, requestNode, requestOutcome, requestTitle } from "./request_facts.ts";
import { textAttribute } from "./span.ts";
import { failures } from "./span_facts.ts";
import { spanPlace } from "./span_place.ts";
import { type Paint, serviceStyles, type Style } from "./style.ts";
import { allNodes, type SpanNode, type TraceTree } from "./trace_tree.ts";
import { treeRows } from "./tree_rows.ts";
import { wrap } from "./wrap.ts";

export interface TextOptions {
  readonly width: number;
  readonly paint: Paint;
}

const MIN_WIDTH = 60;
/** Narrower terminals have no column for the service; it takes at most `SERVICE_WIDTH`. */
const SERVICE_MIN_WIDTH = 90;
const SERVICE_WIDTH = 20;
const DURATION_WIDTH = 9;
const LABEL_WIDTH = 11;
const MAX_LISTED = 6;
/** A hole is told in words from this share of the trace on, and this long. */
const HOLE_SHARE = 0.01;
const HOLE_MIN_US = 100;

/** The lines of a trace, without line feeds. */
export function waterfallLines(tree: TraceTree, options: TextOptions): string[] {
  const width = Math.max(options.width, MIN_WIDTH);
  return [
    ...headLines(tree, { ...options, width }),
    "",
    ...barLines(tree, { ...options, width }),
    "",
    ...wordLines(tree, { ...options, width }),
  ];
}

function headLines(tree: TraceTree, { width, paint }: TextOptions): string[] {
  const { span } = requestNode(tree);
  const nodes = allNodes(tree.roots).filter(({ isMissing }) => !isMissing);
  const services = new Set(nodes.map((node) => node.span.service)).size;
  const model = textAttribute(span, "gen_ai.request.model") ?? textAttribute(span, "model");
  const xRequestId = textAttribute(span, "x_request_id");
  const isBad = span.status === "error";
  return [
    [
      paint(tree.traceId, "bold"),
      requestTitle(span),
      ...(model === undefined ? [] : [oneLine(model)]),
      paint(requestOutcome(span), isBad ? "red" : "green"),
    ].join("  "),
    ...wrap(
      [
        `${formatDuration(tree.endUs - tree.startUs)} from ${formatTimeOfDay(tree.startUs)}`,
        `${counted(nodes.length, "span")} of ${counted(services, "service")}`,
        ...requestFigures(span),
        ...(xRequestId === undefined ? [] : [`x-request-id ${oneLine(xRequestId)}`]),
      ].join(", "),
      width,
    ),
  ];
}

interface Columns {
  readonly name: number;
  readonly service: number;
  readonly bar: number;
}

function barLines(tree: TraceTree, { width, paint }: TextOptions): string[] {
  const rows = treeRows(tree.roots).map(({ node, branches }) => ({
    node,
    label: branches + oneLine(node.span.name),
  }));
  const onPath = spansOnPath(tree);
  const styles = serviceStyles(rows.map(({ node }) => node.span.service));
  const services = rows.map(({ node }) => oneLine(node.span.service));
  const service = width < SERVICE_MIN_WIDTH ? 0 : Math.min(longest(services) + 1, SERVICE_WIDTH);
  const name = Math.min(longest(rows.map(({ label }) => label)), Math.floor(width * 0.38));
  const columns = { name, service, bar: width - 2 - name - 1 - service - 1 - DURATION_WIDTH };
  return [
    axisLine(tree, columns),
    ...rows.map(({ node, label }) => {
      const { span } = node;
      const isBad = span.status === "error";
      const style: Style = isBad ? "red" : styles.get(span.service) ?? "cyan";
      const emphasis: Style[] = onPath.has(node) ? ["bold"] : [];
      const mark = isBad ? paint("✗", "red") : onPath.has(node) ? paint("*", "bold") : " ";
      const duration = node.isMissing
        ? ""
        : span.endUs === null
        ? "open"
        : formatDuration(node.endUs - node.startUs);
      return [
        `${mark} `,
        paint(fit(label, columns.name), ...emphasis),
        " ",
        paint(fit(oneLine(span.service), columns.service), "dim"),
        paint(bar(node, tree, columns.bar), style, ...emphasis),
        " ",
        duration.padStart(DURATION_WIDTH),
      ].join("");
    }),
  ];
}

function longest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, [...text].length), 0);
}

function axisLine(tree: TraceTree, columns: Columns): string {
  const durationUs = tree.endUs - tree.startUs;
  const middle = formatDuration(durationUs / 2);
  const left = "0".padEnd(Math.floor(columns.bar / 2) - Math.floor(middle.length / 2)) + middle;
  const axis = left.padEnd(columns.bar - formatDuration(durationUs).length) +
    formatDuration(durationUs);
  return " ".repeat(2 + columns.name + 1 + columns.service) + axis;
}

/** The span's place in time, as `cells` characters. */
function bar(node: SpanNode, tree: TraceTree, cells: number): string {
  const totalUs = Math.max(tree.endUs - tree.startUs, 1);
  const cellUs = totalUs / cells;
  const cellOf = (us: number) =>
    Math.min(cells - 1, Math.max(0, Math.floor((us - tree.startUs) / cellUs)));
  const first = cellOf(node.startUs);
  const last = Math.max(first, cellOf(node.endUs - cellUs / 2));
  const line = new Array<string>(cells).fill(" ");
  line.fill(glyphOf(node), first, last + 1);
  for (const hole of holesOf(node)) {
    // A cell is a hole where most of it is one.
    const from = Math.ceil((hole.startUs - tree.startUs) / cellUs - 0.5);
    const until = Math.floor((hole.endUs - tree.startUs) / cellUs + 0.5);
    if (until > from) line.fill("░", Math.max(from, first), Math.min(until, last + 1));
  }
  for (const event of node.span.events) {
    const atUs = event.timeUs + node.startUs - node.span.startUs;
    if (atUs >= node.startUs && atUs <= node.endUs) line[cellOf(atUs)] = "◆";
  }
  return line.join("");
}

function glyphOf(node: SpanNode): string {
  if (node.span.endUs === null) return "┄";
  return node.children.length > 0 ? "━" : "█";
}

function wordLines(tree: TraceTree, { width, paint }: TextOptions): string[] {
  const totalUs = tree.endUs - tree.startUs;
  const nodes = allNodes(tree.roots);
  const path = pathPlaces(tree).slice(0, MAX_LISTED).map(({ place, us }) =>
    `${place} ${formatDuration(us)} (${formatShare(us, totalUs)})`
  );
  const sections: [string, string[], Style[]][] = [
    ["Path", path.length === 0 ? [] : [path.join(", ")], []],
    ["Holes", largeHoles(nodes, totalUs).map((hole) => holeText(hole, tree)), []],
    ["Errors", failures(tree), ["red"]],
    ["Links", linkTexts(nodes), []],
    ["Events", eventTexts(nodes, tree), []],
    ["Note", tree.notes.map(oneLine), ["yellow"]],
  ];
  return sections.flatMap(([label, texts, styles]) =>
    texts.flatMap((text, index) =>
      wrap(text, width - LABEL_WIDTH).map((line, row) =>
        paint(fit(index + row === 0 ? label : "", LABEL_WIDTH), "bold") + paint(line, ...styles)
      )
    )
  );
}

function largeHoles(nodes: readonly SpanNode[], totalUs: number): Hole[] {
  return nodes.flatMap(holesOf)
    .filter(({ startUs, endUs }) => endUs - startUs >= Math.max(totalUs * HOLE_SHARE, HOLE_MIN_US))
    .sort((a, b) => (b.endUs - b.startUs) - (a.endUs - a.startUs))
    .slice(0, MAX_LISTED);
}

function holeText({ node, after, startUs, endUs }: Hole, tree: TraceTree): string {
  const where = after === null ? "before its first child" : `after ${oneLine(after.span.name)}`;
  return `${formatDuration(endUs - startUs)} in ${spanPlace(node.span)} ${where}, ` +
    `at ${formatDuration(startUs - tree.startUs)}`;
}

function linkTexts(nodes: readonly SpanNode[]): string[] {
  const byId = new Map(nodes.map((node) => [node.span.spanId, node]));
  return nodes.flatMap((node) =>
    node.span.links.map(({ traceId, spanId }) => {
      const target = byId.get(spanId);
      const words = target === undefined
        ? `span ${spanId} ` +
          (traceId === node.span.traceId ? "(not there)" : `of trace ${traceId}`)
        : spanPlace(target.span);
      return `${spanPlace(node.span)} → ${words}`;
    })
  );
}

function eventTexts(nodes: readonly SpanNode[], tree: TraceTree): string[] {
  return nodes.flatMap((node) =>
    node.span.events.map((event) => {
      const atUs = event.timeUs + node.startUs - node.span.startUs - tree.startUs;
      const attributes = Object.entries(event.attributes)
        .map(([key, value]) => ` ${oneLine(key)}=${oneLine(String(value))}`).join("");
      return {
        atUs,
        text: `${oneLine(event.name)} at ${formatDuration(atUs)} in ${
          spanPlace(node.span)
        }${attributes}`,
      };
    })
  ).sort((a, b) => a.atUs - b.atUs).map(({ text }) => text);
}
