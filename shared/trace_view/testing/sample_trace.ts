/** A disaggregated request as data, for tests of the viewer. Times are milliseconds after `START_MS`. */

import type { ViewSpan } from "../span.ts";

export const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
/** 2026-11-25 20:33:05.123 UTC. */
export const START_MS = 1_795_638_785_123;

export interface SampleSpan {
  readonly id: string;
  readonly parent?: string;
  readonly name: string;
  readonly service?: string;
  readonly host?: string;
  /** Start and end; an open span has no end. */
  readonly at: readonly [number, number?];
  readonly more?: Partial<ViewSpan>;
}

/** A span id from a few letters. */
export function sampleId(letters: string): string {
  return new TextEncoder().encode(letters.padStart(8, "0")).toHex();
}

export function sampleSpan(sample: SampleSpan): ViewSpan {
  const { id, parent, name, service = "frontend", host = "h1", at: [start, end] } = sample;
  return {
    traceId: TRACE_ID,
    spanId: sampleId(id),
    parentSpanId: parent === undefined ? "" : sampleId(parent),
    name,
    kind: "internal",
    service,
    instance: `${service}-1`,
    host,
    startUs: (START_MS + start) * 1000,
    endUs: end === undefined ? null : (START_MS + end) * 1000,
    status: "unset",
    statusMessage: "",
    attributes: {},
    events: [],
    links: [],
    isSampled: true,
    ...sample.more,
  };
}

const ROOT_ATTRIBUTES = {
  x_request_id: "my-req",
  "http.request.method": "POST",
  "http.route": "/v1/chat/completions",
  "http.response.status_code": 200,
  "gen_ai.request.model": "tiny",
  "request.outcome": "success",
  ttft_ms: 100,
  avg_itl_ms: 10,
  "gen_ai.usage.input_tokens": 37,
  "gen_ai.usage.output_tokens": 8,
};

/** 400 ms over three services: preprocess, prefill, transfer, decode. */
export const SAMPLE_SPANS: readonly SampleSpan[] = [
  {
    id: "root",
    name: "http-request",
    at: [0, 400],
    more: {
      kind: "server",
      attributes: ROOT_ATTRIBUTES,
      events: [{ name: "first_token", timeUs: (START_MS + 100) * 1000, attributes: {} }],
    },
  },
  { id: "pre", parent: "root", name: "preprocess", at: [0, 10] },
  { id: "pr", parent: "root", name: "prefill_routing", at: [10, 130] },
  {
    id: "prr",
    parent: "pr",
    name: "router.route_request",
    at: [10, 130],
    more: { kind: "producer", attributes: { phase: "prefill" } },
  },
  {
    id: "ph",
    parent: "prr",
    name: "handle_payload",
    service: "prefill",
    at: [12, 128],
    more: { kind: "consumer" },
  },
  { id: "pp", parent: "ph", name: "engine.prefill", service: "prefill", at: [14, 100] },
  {
    id: "ps",
    parent: "ph",
    name: "kv.send",
    service: "prefill",
    at: [14, 126],
    more: { kind: "producer" },
  },
  {
    id: "kr",
    parent: "ps",
    name: "kv.receive",
    service: "decode",
    at: [100, 124],
    more: { kind: "consumer" },
  },
  { id: "dr", parent: "root", name: "decode_routing", at: [10, 380] },
  {
    id: "drr",
    parent: "dr",
    name: "router.route_request",
    at: [10, 380],
    more: { kind: "producer", attributes: { phase: "decode" } },
  },
  {
    id: "dh",
    parent: "drr",
    name: "handle_payload",
    service: "decode",
    at: [14, 376],
    more: { kind: "consumer" },
  },
  {
    id: "kw",
    parent: "dh",
    name: "kv.wait",
    service: "decode",
    at: [14, 126],
    more: { links: [{ traceId: TRACE_ID, spanId: sampleId("kr") }] },
  },
  { id: "de", parent: "dh", name: "engine.decode", service: "decode", at: [126, 376] },
  { id: "st", parent: "root", name: "http.stream", at: [100, 398] },
];

/** The sample's spans, with some of them changed. */
export function sampleTrace(
  change: (sample: SampleSpan) => SampleSpan | null = (sample) => sample,
): ViewSpan[] {
  return SAMPLE_SPANS.flatMap((sample) => {
    const changed = change(sample);
    return changed === null ? [] : [sampleSpan(changed)];
  });
}
