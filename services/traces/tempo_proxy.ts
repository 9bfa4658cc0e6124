/**
 * Tempo in the place of the built-in store: its query API passed on below `/api/`, and spans of the page
 * sent to where the other services send theirs. Credentials and addresses stay on this side.
 */

import { CONTENT_TYPES } from "../../shared/otlp/mod.ts";
import { fetchFailure } from "../../shared/process/fetch_failure.ts";
import { tlsClient } from "../../shared/process/tls_client.ts";
import type { ExportTls } from "../../shared/telemetry/telemetry.ts";
import { ByteBudget } from "./byte_budget.ts";
import { BodyError, readRequestBytes } from "./request_bytes.ts";

export interface TempoProxyOptions {
  /** Address of Tempo's query API, which may have a path. */
  readonly url: string;
  /** Sent with every query. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface SpanForwarderOptions {
  /** Where spans go: `…/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExportTls;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  /** Bytes of all requests in work. */
  readonly maxInflightBytes: number;
}

type Handler = (request: Request) => Promise<Response>;

/** None that another site's page could send without being asked first. */
const TAKEN_TYPES: ReadonlySet<string> = new Set(Object.values(CONTENT_TYPES));
const ANSWER_HEADERS = ["content-type", "retry-after"];

/** Answers `/api/…` with what Tempo answers, and says where Tempo cannot be reached. */
export function createTempoProxy({ url, headers, timeoutMs }: TempoProxyOptions): Handler {
  const base = url.replace(/\/+$/, "");
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/ready") return new Response("ready\n");
    if (!isQueryPath(pathname)) return new Response("404 page not found\n", { status: 404 });
    if (request.method !== "GET") {
      return new Response("405 method not allowed\n", { status: 405, headers: { allow: "GET" } });
    }
    return await pass(`${base}${pathname}${search}`, {
      what: "Tempo",
      settings: ["TEMPO_QUERY_URL", "TEMPO_QUERY_HEADERS"],
      timeoutMs,
      method: "GET",
      headers: { ...picked(request.headers, ["accept"]), ...headers },
      body: null,
      signal: request.signal,
    });
  };
}

/** Whether it is below `/api/` for whoever decodes it, too. */
function isQueryPath(pathname: string): boolean {
  if (!pathname.startsWith("/api/")) return false;
  return !/(?:^|[/\\])\.\.(?:[/\\]|$)/.test(
    pathname.replaceAll(/%2f/gi, "/").replaceAll(/%5c/gi, "\\"),
  );
}

/** Passes export requests on, unpacked. */
export function createSpanForwarder(options: SpanForwarderOptions): Handler {
  const { url, headers, timeoutMs, maxBodyBytes: maxBytes } = options;
  const budget = new ByteBudget(options.maxInflightBytes);
  const hasTls = Object.values(options.tls).some((pem) => pem !== undefined);
  const client = hasTls ? tlsClient(options.tls) : undefined;
  return async (request) => {
    if (request.method !== "POST") {
      return new Response("405 method not allowed, supported: [POST]", {
        status: 405,
        headers: { allow: "POST" },
      });
    }
    if (!TAKEN_TYPES.has(request.headers.get("content-type") ?? "")) {
      const taken = [...TAKEN_TYPES].join(", ");
      return new Response(`415 unsupported media type, supported: [${taken}]`, { status: 415 });
    }
    using share = budget.open();
    let body: Uint8Array<ArrayBuffer>;
    try {
      body = await readRequestBytes(request, { maxBytes, timeoutMs, share });
    } catch (error) {
      if (!(error instanceof BodyError)) throw error;
      return new Response(`${error.message}\n`, { status: error.status });
    }
    return await pass(url, {
      what: "the collector",
      settings: ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"],
      timeoutMs,
      method: "POST",
      headers: { ...picked(request.headers, ["accept", "content-type"]), ...headers },
      body,
      client,
      signal: request.signal,
    });
  };
}

interface PassOptions {
  /** In a sentence: what is asked. */
  readonly what: string;
  /** The variables that say where it is, and with which headers. */
  readonly settings: readonly [address: string, headers: string];
  readonly timeoutMs: number;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | null;
  /** Where it wants other certificates than the system's. */
  readonly client?: Deno.HttpClient;
  /** Aborts when the asker leaves. */
  readonly signal: AbortSignal;
}

async function pass(url: string, options: PassOptions): Promise<Response> {
  const { what, settings, timeoutMs, method, headers, body, client, signal } = options;
  const [addressSetting, headersSetting] = settings;
  try {
    const answer = await fetch(url, {
      method,
      headers,
      body,
      client,
      // A redirect would take the credentials elsewhere.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (answer.status >= 300 && answer.status < 400 || answer.status === 401) {
      await answer.body?.cancel();
      return failure(
        `Cannot ask ${what}: it answered ${answer.status}, so it wants credentials or has another ` +
          `address; see ${addressSetting} and ${headersSetting}`,
      );
    }
    return new Response(answer.body, {
      status: answer.status,
      headers: picked(answer.headers, ANSWER_HEADERS),
    });
  } catch (error) {
    const reason = fetchFailure(error, timeoutMs);
    return failure(`Cannot reach ${what}: ${reason}; ${addressSetting} says where it is`);
  }
}

function failure(sentence: string): Response {
  return new Response(`${sentence}\n`, { status: 502 });
}

function picked(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name): [string, string][] => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value]];
  }));
}
