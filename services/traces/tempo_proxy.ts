/**
 * Tempo in the place of the built-in store: its query API passed on below `/api/`, and spans of the page
 * sent to where the other services send theirs. Credentials stay on this side.
 */

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
  readonly timeoutMs: number;
}

type Handler = (request: Request) => Promise<Response>;

const REQUEST_HEADERS = ["accept", "content-type"];
const ANSWER_HEADERS = ["content-type", "retry-after"];

/** Answers `/api/…` with what Tempo answers, and says where Tempo cannot be reached. */
export function createTempoProxy(options: TempoProxyOptions): Handler {
  const base = options.url.replace(/\/+$/, "");
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/ready") return new Response("ready\n");
    if (!pathname.startsWith("/api/")) return new Response("404 page not found\n", { status: 404 });
    if (request.method !== "GET") {
      return new Response("405 method not allowed\n", { status: 405, headers: { allow: "GET" } });
    }
    return await pass(request, {
      ...options,
      url: `${base}${pathname}${search}`,
      what: `Tempo at ${base}`,
      setting: "TEMPO_QUERY_URL",
    });
  };
}

/** Passes export requests on. */
export function createSpanForwarder(options: SpanForwarderOptions): Handler {
  return async (request) => {
    if (request.method !== "POST") {
      return new Response("405 method not allowed, supported: [POST]", {
        status: 405,
        headers: { allow: "POST" },
      });
    }
    return await pass(request, {
      ...options,
      what: `the collector at ${options.url}`,
      setting: "OTEL_EXPORTER_OTLP_ENDPOINT",
    });
  };
}

interface PassOptions extends SpanForwarderOptions {
  /** In a sentence: what is asked, and which variable says where it is. */
  readonly what: string;
  readonly setting: string;
}

async function pass(request: Request, options: PassOptions): Promise<Response> {
  const { url, headers, timeoutMs, what, setting } = options;
  try {
    const answer = await fetch(url, {
      method: request.method,
      headers: { ...picked(request.headers, REQUEST_HEADERS), ...headers },
      body: request.method === "POST" ? await request.bytes() : null,
      // A redirect would take the credentials elsewhere.
      redirect: "manual",
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (answer.status >= 300 && answer.status < 400 || answer.status === 401) {
      await answer.body?.cancel();
      return new Response(
        `${what} answered ${answer.status}: it wants credentials or another address; see ` +
          `${setting}${setting === "TEMPO_QUERY_URL" ? " and TEMPO_QUERY_HEADERS" : ""}\n`,
        { status: 502 },
      );
    }
    return new Response(answer.body, {
      status: answer.status,
      headers: picked(answer.headers, ANSWER_HEADERS),
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return new Response(`Cannot reach ${what}: ${reason}; ${setting} says where it is\n`, {
      status: 502,
    });
  }
}

function picked(headers: Headers, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name): [string, string][] => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value]];
  }));
}
