/**
 * OTLP over HTTP: `POST /v1/traces`. A request is acknowledged when its spans are committed.
 *
 * Failures that may pass (429, 503) say with Retry-After when to try again; others are final, as the
 * OTLP specification wants it.
 */

import {
  CONTENT_TYPES,
  encodeFailure,
  encodeSuccess,
  type OtlpEncoding,
  OtlpError,
  tracesJsonToProtobuf,
} from "../../shared/otlp/mod.ts";
import { StoreError, type TraceStore } from "../../shared/trace_store/mod.ts";
import type { ObservedExport } from "../../shared/telemetry/metrics/mod.ts";
import type { ByteBudget } from "./byte_budget.ts";
import { BodyError, readRequestBytes } from "./request_bytes.ts";

export interface ReceiverOptions {
  readonly store: Pick<TraceStore, "write">;
  readonly maxBodyBytes: number;
  /** Of all requests in work. */
  readonly budget: ByteBudget;
  readonly bodyTimeoutMs: number;
  /** Spans cannot be stored, or can again; null. */
  readonly onOutage: (message: string | null) => void;
  /** An export request was answered. */
  readonly onExport: (request: ObservedExport) => void;
}

/** Codes of google.rpc that the failures carry. */
const RPC_CODES: Readonly<Record<number, number>> = { 400: 3, 408: 4, 413: 8, 429: 8, 503: 14 };
const RETRY_AFTER_SECONDS: Readonly<Record<number, string>> = { 429: "1", 503: "10" };
const MEDIA_TYPES: ReadonlyMap<string, OtlpEncoding> = new Map([
  ["application/json", "json"],
  ["application/x-protobuf", "protobuf"],
]);

/** A handler for `Deno.serve`. */
export function createReceiver(options: ReceiverOptions): (request: Request) => Promise<Response> {
  let outage: string | null = null;
  const setOutage = (message: string | null) => {
    if (message !== null && outage === null || message === null && outage !== null) {
      options.onOutage(message);
    }
    outage = message;
  };

  return async (request) => {
    if (new URL(request.url).pathname !== "/v1/traces") return text(404, "404 page not found");
    if (request.method !== "POST") {
      return text(405, "405 method not allowed, supported: [POST]", { allow: "POST" });
    }
    const startMs = performance.now();
    const counts = { bytes: 0, acceptedSpans: 0, rejectedSpans: 0 };
    const response = await take(request, {
      ...options,
      getOutage: () => outage,
      setOutage,
      counts,
    });
    const { status } = response;
    options.onExport({ ...counts, status, durationMs: performance.now() - startMs });
    return response;
  };
}

interface Taking extends ReceiverOptions {
  /** Why the last spans could not be stored; null where they were. */
  readonly getOutage: () => string | null;
  readonly setOutage: (message: string | null) => void;
  /** Filled in as the request is read and stored. */
  readonly counts: { bytes: number; acceptedSpans: number; rejectedSpans: number };
}

async function take(request: Request, options: Taking): Promise<Response> {
  const { store, budget, getOutage, setOutage, counts } = options;
  const [mediaType] = (request.headers.get("content-type") ?? "").split(";");
  const encoding = MEDIA_TYPES.get(mediaType.trim().toLowerCase());
  if (encoding === undefined) {
    const supported = [...MEDIA_TYPES.keys()].join(", ");
    return text(415, `415 unsupported media type, supported: [${supported}]`);
  }
  using share = budget.open();
  try {
    const { maxBodyBytes: maxBytes, bodyTimeoutMs: timeoutMs } = options;
    const body = await readRequestBytes(request, { maxBytes, timeoutMs, share });
    const bytes = encoding === "json" ? jsonToProtobuf(body) : body;
    counts.bytes = bytes.length;
    const { acceptedSpans, rejectedSpans, reason } = await store.write(bytes);
    Object.assign(counts, { acceptedSpans, rejectedSpans });
    const outage = getOutage();
    // What stores nothing, such as a probe without spans, does not tell that the outage is over.
    if (acceptedSpans > 0) setOutage(null);
    else if (outage !== null && rejectedSpans === 0) return failureAnswer(503, outage, encoding);
    const partial = rejectedSpans === 0 ? null : { rejectedSpans, errorMessage: reason };
    return answer(200, encoding, encodeSuccess(encoding, partial));
  } catch (error) {
    if (error instanceof StoreError) setOutage(error.message);
    return failure(error, encoding);
  }
}

function jsonToProtobuf(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    throw new OtlpError("Cannot parse the JSON: it is not valid UTF-8");
  }
  return tracesJsonToProtobuf(text);
}

function failure(error: unknown, encoding: OtlpEncoding): Response {
  if (error instanceof BodyError) {
    return error.status === 415
      ? text(415, error.message)
      : failureAnswer(error.status, error.message, encoding);
  }
  if (error instanceof OtlpError) return failureAnswer(400, error.message, encoding);
  if (error instanceof StoreError) return failureAnswer(503, error.message, encoding);
  throw error;
}

function failureAnswer(status: number, message: string, encoding: OtlpEncoding): Response {
  const code = RPC_CODES[status] ?? 2;
  return answer(status, encoding, encodeFailure(encoding, { code, message }));
}

function answer(
  status: number,
  encoding: OtlpEncoding,
  body: string | Uint8Array<ArrayBuffer>,
): Response {
  const headers = new Headers({ "content-type": CONTENT_TYPES[encoding] });
  const retryAfter = RETRY_AFTER_SECONDS[status];
  if (retryAfter !== undefined) headers.set("retry-after", retryAfter);
  return new Response(body, { status, headers });
}

function text(status: number, message: string, headers: Record<string, string> = {}): Response {
  return new Response(message, { status, headers: { "content-type": "text/plain", ...headers } });
}
