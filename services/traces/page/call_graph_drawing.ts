/** The graph of services: layers from the top, an arrow for each call with its rate and its p95. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { type CallEdge, type CallGraph, layers } from "./call_graph.ts";
import { formatRate } from "./request_trends.ts";
import { svg } from "./svg.ts";

/** Units of the drawing: it is scaled down to a telephone's width and never up. */
const WIDTH = 360;
const NODE_WIDTH = 126;
const NODE_HEIGHT = 34;
/** Characters that fit into a node. */
const MAX_NAME = 17;
const LAYER_HEIGHT = 104;
/** Where a layer's only node stands: left, so that arrows past it have room. */
const LONE_X = 90;
const BOW = 120;
const LABEL_GAP = 8;

interface Point {
  readonly x: number;
  readonly y: number;
}

export interface DrawingOptions {
  readonly sinceSeconds: number;
}

export function callGraphDrawing(graph: CallGraph, { sinceSeconds }: DrawingOptions): SVGElement {
  const rows = layers(graph);
  const height = Math.max(rows.length - 1, 0) * LAYER_HEIGHT + NODE_HEIGHT + 4;
  const places = new Map(
    rows.flatMap((names, layer) =>
      names.map((name, index): [string, Point] => [name, {
        x: names.length === 1 ? LONE_X : WIDTH * (index + 0.5) / names.length,
        y: layer * LAYER_HEIGHT + NODE_HEIGHT / 2 + 2,
      }])
    ),
  );
  const perSecond = (count: number) => formatRate(count / sinceSeconds);
  const figures = ({ count, p95Seconds }: CallEdge) => [
    perSecond(count),
    `p95 ≈ ${formatDuration(p95Seconds * 1e6)}`,
  ];
  const words = graph.edges.map((edge) =>
    `${edge.from} calls ${edge.to}: ${figures(edge).join(", ")}`
  );
  return svg("svg.call_graph", {
    viewBox: `0 0 ${WIDTH} ${height}`,
    role: "img",
    "aria-label": words.join("; ") || "No service calls another",
  }, [
    svg("defs", {}, [
      svg("marker", {
        id: "arrow",
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: "auto",
      }, [svg("path.head", { d: "M0 0L8 4L0 8z" })]),
    ]),
    ...graph.edges.flatMap((edge) => {
      const from = places.get(edge.from);
      const to = places.get(edge.to);
      return from === undefined || to === undefined
        ? []
        : drawnEdge(from, to, { figures: figures(edge) });
    }),
    ...[...places].flatMap(([name, at]) => drawnNode(name, at)),
  ]);
}

function drawnNode(name: string, { x, y }: Point): SVGElement[] {
  return [
    svg("rect.node", {
      x: x - NODE_WIDTH / 2,
      y: y - NODE_HEIGHT / 2,
      width: NODE_WIDTH,
      height: NODE_HEIGHT,
      rx: 5,
    }),
    svg("text.node_name", { x, y: y + 4 }, [
      name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 1)}…` : name,
      svg("title", {}, [name]),
    ]),
  ];
}

/** A straight arrow to the next layer; one past other layers bows around them. */
function drawnEdge(
  from: Point,
  to: Point,
  { figures }: { readonly figures: readonly string[] },
): SVGElement[] {
  const isNext = Math.abs(to.y - from.y) <= LAYER_HEIGHT;
  const start = isNext
    ? { x: from.x, y: from.y + NODE_HEIGHT / 2 }
    : { x: from.x + NODE_WIDTH / 2, y: from.y };
  const end = isNext
    ? { x: to.x, y: to.y - NODE_HEIGHT / 2 }
    : { x: to.x + NODE_WIDTH / 2, y: to.y };
  const bowX = Math.max(start.x, end.x) + (isNext ? 0 : BOW);
  const d = isNext
    ? `M${start.x} ${start.y}L${end.x} ${end.y}`
    : `M${start.x} ${start.y}C${bowX} ${start.y} ${bowX} ${end.y} ${end.x} ${end.y}`;
  // Three quarters of the way out is where such a curve turns.
  const middleX = isNext ? (start.x + end.x) / 2 : start.x + (bowX - start.x) * 0.75;
  const middleY = (start.y + end.y) / 2;
  return [
    svg("path.edge", { d, "marker-end": "url(#arrow)" }),
    ...figures.map((text, line) =>
      svg("text.edge_label", { x: middleX + LABEL_GAP, y: middleY - 3 + line * 14 }, [text])
    ),
  ];
}
