/**
 * A trace as text that is the same in every run: first its tree, a line a span, then each span's
 * attributes, events and links.
 *
 * Ids become names in the order in which they are met, measured values become their type, and children
 * stand in the registry's order, then by attempt, then by start, since the clocks of two processes do
 * not order them reliably. What hangs on the timing of other requests is left out.
 */

import {
  type AttributeSpec,
  attributeSpec,
  roleOfName,
  SPANS,
} from "../../../shared/telemetry/registry/mod.ts";
import type { AttributeValue, SpanLink, ViewSpan } from "../../../shared/trace_view/span.ts";

export interface GoldenTextOptions {
  /** Spans of other traces that links may lead to. */
  readonly linked?: readonly ViewSpan[];
  /** Service of each instance that may be named. */
  readonly serviceOf: ReadonlyMap<string, string>;
  /** Counts that hang on timing in this scenario alone. */
  readonly varying?: readonly string[];
}

/** Attributes in a line of the tree, and how they are called there. */
const IN_TREE = {
  phase: "phase",
  attempt: "attempt",
  "request.outcome": "outcome",
  "cancellation.signal": "signal",
  "error.type": "error",
} as const;

/** What hangs on how the processes take turns, and on what was served before. */
const VARYING: ReadonlySet<string> = new Set([
  "engine.first_step",
  "engine.last_step",
  "engine.step",
  "http.response.body.size",
  "router.candidate_costs",
  "router.candidate_ids",
  "stream.chunks",
  "stream.frames",
]);
/** Doubles that the client sent. */
const SENT: ReadonlySet<string> = new Set([
  "gen_ai.request.temperature",
  "gen_ai.request.top_p",
]);
/** Events that tell of other requests or of a busy machine. */
const VARYING_EVENTS: ReadonlySet<string> = new Set(["itl.gap"]);

const ORDER = Object.keys(SPANS);
const UUID = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/;

/** The spans of one trace; a span whose parent is not among them stands at the left. */
export function goldenText(spans: readonly ViewSpan[], options: GoldenTextOptions): string {
  return new TraceWriter(spans, options).text();
}

class TraceWriter {
  readonly #spans: readonly ViewSpan[];
  readonly #byId: ReadonlyMap<string, ViewSpan>;
  readonly #options: GoldenTextOptions;
  /** By id. */
  readonly #names = new Map<string, string>();

  constructor(spans: readonly ViewSpan[], options: GoldenTextOptions) {
    this.#spans = spans;
    this.#byId = new Map(spans.map((span) => [span.spanId, span]));
    this.#options = options;
    for (const { traceId, spanId, name, service } of spans) {
      this.#names.set(traceId, "<trace>").set(spanId, `<${name} of ${service}>`);
    }
  }

  text(): string {
    const tree: string[] = [];
    const details: string[] = [];
    const add = (span: ViewSpan, depth: number) => {
      tree.push("  ".repeat(depth) + this.#treeLine(span));
      details.push("", ...this.#detailLines(span));
      const children = this.#spans.filter((it) => it.parentSpanId === span.spanId);
      for (const child of inOrder(children)) add(child, depth + 1);
    };
    for (const top of inOrder(this.#spans.filter((it) => !this.#byId.has(it.parentSpanId)))) {
      add(top, 0);
    }
    return [...tree, ...details, ""].join("\n");
  }

  #treeLine(span: ViewSpan): string {
    const { name, service, kind, attributes, status } = span;
    const shown = Object.entries(IN_TREE)
      .filter(([key]) => key in attributes)
      .map(([key, label]) => `${label}=${attributes[key]}`);
    return [
      name,
      `[${service}]`,
      kind.toUpperCase(),
      ...(status === "error" ? ["ERROR"] : []),
      ...shown,
      ...this.#links(span).map((link) => `-> ${link}`),
    ].join(" ");
  }

  #detailLines(span: ViewSpan): string[] {
    const { name, parentSpanId, instance, attributes, events, statusMessage } = span;
    const role = roleOfName(name);
    const parent = this.#byId.get(parentSpanId)?.name;
    const above = parentSpanId === "" ? "" : ` < ${parent ?? "the client's span"}`;
    return [
      `${name} [${this.#instanceName(instance)}]${above}`,
      ...(statusMessage === "" ? [] : [`  status: ${this.#textOf(statusMessage)}`]),
      ...Object.keys(attributes).sort().map((key) => {
        const spec = role === null ? null : attributeSpec(role, key);
        return `  ${key}: ${this.#valueOf(spec, key, attributes[key])}`;
      }),
      ...events.filter((event) => !VARYING_EVENTS.has(event.name)).map((event) => {
        const specs = role === null ? undefined : SPANS[role].events?.[event.name]?.attributes;
        const fields = Object.keys(event.attributes).sort().map((key) =>
          ` ${key}=${this.#valueOf(specs?.[key] ?? null, key, event.attributes[key])}`
        );
        return `  * ${event.name}${fields.join("")}`;
      }),
      ...this.#links(span).map((link) => `  -> ${link}`),
    ];
  }

  /** Links to spans of other traces hang on who ran beside this one, apart from those that are expected. */
  #links(span: ViewSpan): string[] {
    const { linked = [] } = this.#options;
    const isShown = ({ traceId }: SpanLink) =>
      traceId === span.traceId || linked.some((target) => target.traceId === traceId);
    return span.links.filter(isShown).map(({ spanId }) => {
      const target = this.#byId.get(spanId) ?? linked.find((each) => each.spanId === spanId);
      return target === undefined
        ? "a span that is not there"
        : `${target.name} [${target.service}]`;
    });
  }

  #valueOf(spec: AttributeSpec | null, key: string, value: AttributeValue | undefined): string {
    const type = spec?.type ?? typeof value;
    const isMeasured = spec?.unit === "ms" || (spec?.type === "double" && !SENT.has(key));
    const isVarying = VARYING.has(key) || this.#options.varying?.includes(key);
    if (isMeasured || isVarying) return spec?.unit === undefined ? `<${type}>` : `<${spec.unit}>`;
    return this.#textOf(JSON.stringify(value));
  }

  /** `text` with the ids in it replaced by names. */
  #textOf(text: string): string {
    for (const id of this.#options.serviceOf.keys()) {
      if (text.includes(id)) text = text.replaceAll(id, this.#instanceName(id));
    }
    for (let id = UUID.exec(text)?.[0]; id !== undefined; id = UUID.exec(text)?.[0]) {
      text = text.replaceAll(id, this.#nameOf(id, "id"));
    }
    for (const [id, name] of this.#names) text = text.replaceAll(id, name);
    return text.replaceAll(/\b[0-9a-f]{16}\b/g, "<a span that died with its process>")
      .replaceAll(/Deno\/[\d.]+/g, "Deno/<version>");
  }

  #instanceName(id: string): string {
    return this.#nameOf(id, this.#options.serviceOf.get(id) ?? "unknown instance");
  }

  /** The first id of a kind is `kind-1`. */
  #nameOf(id: string, kind: string): string {
    let name = this.#names.get(id);
    if (name === undefined) {
      const known = [...this.#names.values()].filter((it) => it.startsWith(`${kind}-`)).length;
      name = `${kind}-${known + 1}`;
      this.#names.set(id, name);
    }
    return name;
  }
}

function inOrder(spans: readonly ViewSpan[]): ViewSpan[] {
  const rank = ({ name }: ViewSpan) => ORDER.indexOf(roleOfName(name) ?? "");
  const attempt = ({ attributes }: ViewSpan) => Number(attributes.attempt ?? 0);
  return [...spans].sort((a, b) =>
    rank(a) - rank(b) || attempt(a) - attempt(b) || a.startUs - b.startUs
  );
}
