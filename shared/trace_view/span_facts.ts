/** What a span says beyond its bar, as rows of a name and a value: for every drawing that unfolds one. */

import { counted, formatDuration, oneLine } from "./format.ts";
import { type Attributes, type AttributeValue, textAttribute, type ViewSpan } from "./span.ts";
import { spanPlace } from "./span_place.ts";
import { allNodes, type SpanNode, type TraceTree } from "./trace_tree.ts";

export interface SpanFact {
  readonly name: string;
  readonly value: string;
  /** Another trace that the value ends with; only a link to one has it. */
  readonly otherTraceId?: string;
}

/** What stands beside a span's name: `baton-prefill · consumer · 1 link`. */
export function spanLabel({ service, kind, links }: ViewSpan): string {
  return [
    service,
    kind === "internal" || kind === "unspecified" ? "" : kind,
    links.length === 0 ? "" : counted(links.length, "link"),
  ].filter((word) => word !== "").join(" · ");
}

/** What failed, and why: `http-request [baton-frontend]: worker_failed: Cannot finish: …`, a line each. */
export function failures(tree: TraceTree): string[] {
  return allNodes(tree.roots).filter(({ span }) => span.status === "error").map(({ span }) =>
    [spanPlace(span), oneLine(textAttribute(span, "error.type") ?? ""), oneLine(span.statusMessage)]
      .filter((part) => part !== "").join(": ")
  );
}

/** Ids and place, then attributes, events and links. Times count from the start of the trace. */
export function spanFacts(node: SpanNode, tree: TraceTree): SpanFact[] {
  const { span } = node;
  const shiftUs = node.startUs - span.startUs;
  const facts: SpanFact[] = [
    { name: "span", value: span.spanId },
    { name: "kind", value: span.kind },
    { name: "start", value: formatDuration(node.startUs - tree.startUs) },
    { name: "instance", value: span.instance },
    { name: "host", value: span.host },
    { name: "status", value: span.statusMessage },
    ...Object.entries(span.attributes).map(([name, value]) => ({ name, value: valueText(value) })),
    ...span.events.map(({ name, timeUs, attributes }) => ({
      name: `event ${name}`,
      value: [
        formatDuration(timeUs + shiftUs - tree.startUs),
        ...attributeTexts(attributes),
      ].join(" "),
    })),
    ...span.links.map(({ traceId, spanId }) =>
      traceId === span.traceId
        ? { name: "link", value: `span ${spanId}` }
        : { name: "link", value: `span ${spanId} of trace ${traceId}`, otherTraceId: traceId }
    ),
  ];
  return facts.filter(({ value }) => value !== "");
}

/** `key=value` each. */
export function attributeTexts(attributes: Attributes): string[] {
  return Object.entries(attributes).map(([key, value]) => `${key}=${valueText(value)}`);
}

function valueText(value: AttributeValue): string {
  return typeof value === "object" ? value.join(", ") : String(value);
}
