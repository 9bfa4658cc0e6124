/**
 * A trace as one HTML file that opens anywhere: no script, nothing loaded, dark and light. Each span is
 * a row that unfolds its attributes, events and links.
 */

import { spansOnPath } from "./critical_path.ts";
import { formatDuration, formatShare, formatTimeOfDay } from "./format.ts";
import { drawnHoles } from "./holes.ts";
import { pathPlaces } from "./path_places.ts";
import { requestFigures, requestNode, requestOutcome, requestTitle } from "./request_facts.ts";
import { serviceHues } from "./service_hues.ts";
import { failures, spanFacts, spanLabel } from "./span_facts.ts";
import { TRACE_STYLE } from "./trace_style.ts";
import { allNodes, type SpanNode, type TraceTree } from "./trace_tree.ts";

/** The whole document. */
export function traceHtml(tree: TraceTree): string {
  const { span } = requestNode(tree);
  const hues = serviceHues(allNodes(tree.roots).map((node) => node.span.service));
  const onPath = spansOnPath(tree);
  const rows: string[] = [];
  const add = (node: SpanNode, depth: number) => {
    rows.push(rowHtml(node, {
      tree,
      depth,
      isOnPath: onPath.has(node),
      hue: hues.get(node.span.service) ?? 0,
    }));
    for (const child of node.children) add(child, depth + 1);
  };
  for (const root of tree.roots) add(root, 0);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(`${requestTitle(span)} ${tree.traceId}`)}</title>
<style>${TRACE_STYLE}</style>
</head>
<body>
<h1>${escape(requestTitle(span))} <small>${escape(requestOutcome(span))}</small></h1>
<p><code>${escape(tree.traceId)}</code></p>
<p>${escape(figures(tree).join(" · "))}</p>
<p class="legend">${[...hues].map(([service, hue]) => serviceHtml(service, hue)).join(" ")}
<span class="key path">critical path</span> <span class="key hole">hole</span>
<span class="key event">event</span></p>
<main>
<div class="axis">${axisHtml(tree)}</div>
${rows.join("\n")}
</main>
${pathHtml(tree)}${listHtml("Errors", failures(tree))}${listHtml("Notes", tree.notes)}
</body>
</html>
`;
}

function figures(tree: TraceTree): string[] {
  return [
    `${formatDuration(tree.endUs - tree.startUs)} from ${formatTimeOfDay(tree.startUs)}`,
    ...requestFigures(requestNode(tree).span),
  ];
}

function serviceHtml(service: string, hue: number): string {
  return `<span class="key hue${hue}">${escape(service || "(unknown)")}</span>`;
}

function axisHtml(tree: TraceTree): string {
  const durationUs = tree.endUs - tree.startUs;
  return [0, 0.25, 0.5, 0.75, 1]
    .map((share) => `<span>${escape(formatDuration(durationUs * share))}</span>`).join("");
}

interface RowOptions {
  readonly tree: TraceTree;
  readonly depth: number;
  readonly isOnPath: boolean;
  readonly hue: number;
}

function rowHtml(node: SpanNode, options: RowOptions): string {
  const { span } = node;
  const { tree, depth, isOnPath, hue } = options;
  const isOpen = span.endUs === null;
  const classes = [
    `hue${hue}`,
    ...(isOnPath ? ["path"] : []),
    ...(span.status === "error" ? ["error"] : []),
    ...(isOpen ? ["open"] : []),
  ];
  const place = placer(tree);
  const shiftUs = node.startUs - span.startUs;
  const holes = drawnHoles(node, tree)
    .map((hole) => `<i class="hole" style="${place(hole.startUs, hole.endUs)}"></i>`);
  const events = span.events.map(({ name, timeUs }) =>
    `<i class="event" title="${escape(name)}" style="${place(timeUs + shiftUs)}"></i>`
  );
  const duration = isOpen ? "open" : formatDuration(node.endUs - node.startUs);
  return `<details class="${classes.join(" ")}"><summary>` +
    `<span class="name" style="padding-left:${depth}em">${escape(span.name)} ` +
    `<small>${escape(spanLabel(span))}</small></span>` +
    `<span class="track"><i class="bar" style="${place(node.startUs, node.endUs)}"></i>` +
    `${holes.join("")}${events.join("")}</span>` +
    `<span class="time">${escape(duration)}</span></summary>${detailsHtml(node, tree)}</details>`;
}

/** Writes positions in the trace as CSS. */
function placer(tree: TraceTree): (startUs: number, endUs?: number) => string {
  const totalUs = Math.max(tree.endUs - tree.startUs, 1);
  const percent = (us: number) => (us / totalUs * 100).toFixed(3);
  return (startUs, endUs) =>
    `left:${percent(startUs - tree.startUs)}%` +
    (endUs === undefined ? "" : `;width:${percent(endUs - startUs)}%`);
}

function detailsHtml(node: SpanNode, tree: TraceTree): string {
  const cells = spanFacts(node, tree).map(({ name, value }) =>
    `<tr><th>${escape(name)}</th><td>${escape(value)}</td></tr>`
  );
  return `<table>${cells.join("")}</table>`;
}

function pathHtml(tree: TraceTree): string {
  const totalUs = tree.endUs - tree.startUs;
  const items = pathPlaces(tree).map(({ place, us }) =>
    `<li>${escape(place)} ` +
    `${escape(`${formatDuration(us)} (${formatShare(us, totalUs)})`)}</li>`
  );
  return `<h2>Critical path</h2>\n<ol>${items.join("")}</ol>\n`;
}

function listHtml(heading: string, texts: readonly string[]): string {
  if (texts.length === 0) return "";
  return `<h2>${heading}</h2>\n<ul>${
    texts.map((text) => `<li>${escape(text)}</li>`).join("")
  }</ul>`;
}

function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
