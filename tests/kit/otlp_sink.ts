/**
 * A collector for tests: takes OTLP/HTTP in either encoding and keeps the spans. Answers can be scripted, so that a
 * test can play a collector that hangs, refuses or comes late.
 */

import { tracesToJson } from "../../shared/otlp/mod.ts";
import type { SpanKindName } from "../../shared/telemetry/registry/mod.ts";
import { readOtlpJson } from "../../shared/trace_view/otlp_json.ts";
import type { ViewSpan } from "../../shared/trace_view/span.ts";
import { within } from "./waits.ts";

export interface SinkSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent on a root. */
  readonly parentSpanId?: string;
  readonly traceState: string;
  readonly service: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly kind: SpanKindName;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly SinkEvent[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly hasError: boolean;
  readonly statusMessage: string;
}

export interface SinkEvent {
  readonly name: string;
  readonly timeNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** An export request as it came, unpacked. */
export interface SinkExport {
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

export interface OtlpSinkOptions {
  /** A free one when left out. */
  readonly port?: number;
  /** In PEM, for `https://`; by default it speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * Answers instead of 200 when it returns a response; its spans are then not kept. A promise that
   * stays pending is a collector that hangs.
   */
  readonly respond?: (spans: readonly SinkSpan[]) => Response | null | Promise<Response | null>;
}

export interface OtlpSink extends AsyncDisposable {
  readonly port: number;
  /** `http://…/v1/traces`. */
  readonly tracesUrl: string;
  spans(): readonly SinkSpan[];
  /** The same as the viewer reads them. */
  viewSpans(): readonly ViewSpan[];
  /** All exports so far, also those that were refused. */
  exports(): readonly SinkExport[];
  /** Resolves with the spans so far once `isComplete` holds; rejects with their tree after the time. */
  waitFor(
    isComplete: (spans: readonly SinkSpan[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly SinkSpan[]>;
  /** The same for the spans of one trace. */
  waitForTrace(
    traceId: string,
    isComplete: (spans: readonly SinkSpan[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly SinkSpan[]>;
}

const KINDS: readonly SpanKindName[] = ["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

/** Starts a sink on the loopback interface. */
export function startOtlpSink(options: OtlpSinkOptions = {}): OtlpSink {
  const spans: SinkSpan[] = [];
  const viewSpans: ViewSpan[] = [];
  const exports: SinkExport[] = [];
  const arrivals = new EventTarget();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    onListen: () => {},
    ...options.tls,
  }, async (request) => {
    if (new URL(request.url).pathname !== "/v1/traces") return new Response(null, { status: 404 });
    const { headers } = request;
    const body = await unpackedBody(request);
    exports.push({ headers, body });
    const json = toJson(body, isProtobuf(headers));
    const batch = readBatch(json);
    const answer = await options.respond?.(batch) ?? null;
    if (answer !== null) return answer;
    spans.push(...batch);
    viewSpans.push(...readOtlpJson(json));
    arrivals.dispatchEvent(new Event("spans"));
    return isProtobuf(headers) ? new Response() : Response.json({ partialSuccess: {} });
  });

  async function waitFor(
    select: () => readonly SinkSpan[],
    isComplete: (spans: readonly SinkSpan[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly SinkSpan[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => isComplete(select()) && resolve();
    arrivals.addEventListener("spans", check);
    try {
      check();
      await within("all spans", promise, { timeoutMs, seen: () => renderTree(select()) });
      return [...select()];
    } finally {
      arrivals.removeEventListener("spans", check);
    }
  }

  return {
    port: server.addr.port,
    tracesUrl: `http${
      options.tls === undefined ? "" : "s"
    }://127.0.0.1:${server.addr.port}/v1/traces`,
    spans: () => [...spans],
    viewSpans: () => [...viewSpans],
    exports: () => [...exports],
    waitFor: (isComplete, timeoutMs) => waitFor(() => spans, isComplete, timeoutMs),
    waitForTrace: (traceId, isComplete, timeoutMs) =>
      waitFor(() => spans.filter((span) => span.traceId === traceId), isComplete, timeoutMs),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** Spans whose parent is not among them, apart from the allowed remote parents. */
export function findOrphans(
  spans: readonly SinkSpan[],
  remoteParentIds: readonly string[] = [],
): SinkSpan[] {
  const ids = new Set([...spans.map((span) => span.spanId), ...remoteParentIds]);
  return spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId));
}

/**
 * The spans as indented lines, `name [service] KIND status`, children by start time. Says which spans
 * are orphans and when a trace has several tops, so that a failed assertion shows what is wrong.
 */
export function renderTree(spans: readonly SinkSpan[]): string {
  const ids = new Set(spans.map((span) => span.spanId));
  const byStart = [...spans].sort((a, b) => Number(a.startNs - b.startNs));
  const tops = byStart.filter(({ parentSpanId: id }) => id === undefined || !ids.has(id));
  const lines: string[] = [];
  const add = (span: SinkSpan, depth: number) => {
    lines.push("  ".repeat(depth) + describe(span, ids));
    for (const child of byStart) {
      if (child.parentSpanId === span.spanId) add(child, depth + 1);
    }
  };
  for (const traceId of new Set(tops.map((span) => span.traceId))) {
    const ofTrace = tops.filter((span) => span.traceId === traceId);
    if (ofTrace.length > 1) lines.push(`trace ${traceId} has ${ofTrace.length} tops:`);
    for (const top of ofTrace) add(top, 0);
  }
  return lines.join("\n");
}

function describe(span: SinkSpan, ids: ReadonlySet<string>): string {
  const isOrphan = span.parentSpanId !== undefined && !ids.has(span.parentSpanId);
  return `${span.name} [${span.service}] ${span.kind}` +
    (span.hasError ? ` ERROR "${span.statusMessage}"` : "") +
    (isOrphan ? ` (parent ${span.parentSpanId} is not here)` : "");
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly OtlpAttribute[];
  readonly events?: readonly {
    readonly name: string;
    readonly timeUnixNano: string;
    readonly attributes?: readonly OtlpAttribute[];
  }[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface OtlpBatch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

async function unpackedBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const isPacked = request.headers.get("content-encoding") === "gzip";
  const body = isPacked
    ? new Response(request.body?.pipeThrough(new DecompressionStream("gzip")))
    : request;
  return new Uint8Array(await body.arrayBuffer());
}

/** Ids of protobuf come in base64, enumerations by name: here all is as in OTLP/JSON. */
function toJson(body: Uint8Array<ArrayBuffer>, isProtobuf: boolean): OtlpBatch {
  if (!isProtobuf) return JSON.parse(new TextDecoder().decode(body));
  const text = JSON.stringify(
    { resourceSpans: tracesToJson(body) },
    (key, value) => {
      if (key.endsWith("Id")) return Uint8Array.fromBase64(value).toHex();
      if (key === "kind") return KINDS.indexOf(value.replace("SPAN_KIND_", "")) + 1;
      return key === "code" ? Number(value === "STATUS_CODE_ERROR") * 2 : value;
    },
  );
  return JSON.parse(text);
}

function isProtobuf(headers: Headers): boolean {
  return headers.get("content-type") === "application/x-protobuf";
}

function readBatch(batch: OtlpBatch): SinkSpan[] {
  return batch.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const attributes = readAttributes(resource.attributes);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => readSpan(span, attributes)));
  });
}

function readSpan(span: OtlpSpan, resource: Record<string, unknown>): SinkSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId ? { parentSpanId: span.parentSpanId } : {}),
    traceState: span.traceState ?? "",
    service: String(resource["service.name"]),
    resource,
    name: span.name,
    kind: KINDS[span.kind - 1]!,
    startNs: BigInt(span.startTimeUnixNano),
    endNs: BigInt(span.endTimeUnixNano),
    attributes: readAttributes(span.attributes),
    events: (span.events ?? []).map((event) => ({
      name: event.name,
      timeNs: BigInt(event.timeUnixNano),
      attributes: readAttributes(event.attributes),
    })),
    links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
    hasError: span.status?.code === 2,
    statusMessage: span.status?.message ?? "",
  };
}

function readAttributes(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: Readonly<Record<string, unknown>>): unknown {
  if ("intValue" in value) return Number(value.intValue);
  if ("arrayValue" in value) {
    const { values = [] } = value.arrayValue as { values?: Record<string, unknown>[] };
    return values.map(readValue);
  }
  return value.stringValue ?? value.doubleValue ?? value.boolValue;
}
