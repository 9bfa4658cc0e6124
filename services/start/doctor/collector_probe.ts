/**
 * Asks a collector whether it takes OTLP over HTTP: an export without spans, which leaves no trace.
 *
 * A gRPC port is told by HTTP/2: it greets a client's preface with a SETTINGS frame, which a server of
 * plain HTTP/1.1 does not know.
 */

import { CONTENT_TYPES, failureMessage } from "../../../shared/otlp/mod.ts";
import type { TelemetryOptions } from "../../../shared/telemetry/telemetry.ts";
import { fetchFailure } from "../../../shared/process/fetch_failure.ts";
import { tlsClient } from "../../../shared/process/tls_client.ts";

export type CollectorAnswer =
  | { readonly kind: "takes" }
  | { readonly kind: "speaks_grpc" }
  | { readonly kind: "refuses"; readonly status: number; readonly words: string }
  | { readonly kind: "unreachable"; readonly reason: string };

export type CollectorTarget = Pick<
  TelemetryOptions,
  "tracesUrl" | "exportHeaders" | "exportProtocol" | "exportTls"
>;

const TIMEOUT_MS = 3_000;
const MAX_WORDS = 240;
/** What servers of HTTP/2 alone answer to HTTP/1.1, where they answer at all. */
const NOT_HTTP_1: ReadonlySet<number> = new Set([400, 426, 464, 505]);
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const SETTINGS_TYPE = 4;
const EMPTY_SETTINGS = Uint8Array.of(0, 0, 0, SETTINGS_TYPE, 0, 0, 0, 0, 0);

/** Never throws. */
export async function askCollector(target: CollectorTarget): Promise<CollectorAnswer> {
  const url = new URL(target.tracesUrl);
  const isJson = target.exportProtocol === "http/json";
  using client = tlsClient(target.exportTls);
  try {
    const response = await fetch(url, {
      client,
      method: "POST",
      headers: {
        ...target.exportHeaders,
        "content-type": CONTENT_TYPES[isJson ? "json" : "protobuf"],
      },
      body: isJson ? '{"resourceSpans":[]}' : new Uint8Array(0),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await response.bytes();
    if (response.ok) return { kind: "takes" };
    if (NOT_HTTP_1.has(response.status) && await speaksHttp2(url)) return { kind: "speaks_grpc" };
    return { kind: "refuses", status: response.status, words: wordsOf(body).slice(0, MAX_WORDS) };
  } catch (error) {
    if (await speaksHttp2(url)) return { kind: "speaks_grpc" };
    return { kind: "unreachable", reason: fetchFailure(error, TIMEOUT_MS) };
  }
}

/** The message of an OTLP status in protobuf, or else the text of the answer. */
function wordsOf(body: Uint8Array): string {
  return failureMessage(body) ?? new TextDecoder().decode(body).trim();
}

/** Whether a server takes HTTP/2 without TLS and without asking in HTTP/1.1. */
async function speaksHttp2(url: URL): Promise<boolean> {
  if (url.protocol !== "http:") return false;
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  try {
    using connection = await Deno.connect({ hostname, port: Number(url.port || 80) });
    const timer = setTimeout(() => connection.close(), TIMEOUT_MS);
    try {
      await connection.write(PREFACE);
      await connection.write(EMPTY_SETTINGS);
      const header = new Uint8Array(9);
      const count = await connection.read(header);
      return count === header.length && header[3] === SETTINGS_TYPE;
    } finally {
      clearTimeout(timer);
    }
  } catch {
    // Refused, silent, or closed at the preface: not HTTP/2.
    return false;
  }
}
