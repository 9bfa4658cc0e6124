/**
 * The few requests of the page that the frontend answers, passed on below `/frontend/`: the page has
 * one origin, and the frontend allows no other.
 */

import { fetchFailure } from "../../shared/process/fetch_failure.ts";

export interface FrontendProxyOptions {
  /** The frontend's address, without a path. */
  readonly url: string;
}

const PREFIX = "/frontend";
const ROUTES: ReadonlyMap<string, string> = new Map([
  ["/v1/models", "GET"],
  ["/v1/chat/completions", "POST"],
  ["/v1/completions", "POST"],
  ["/health", "GET"],
  ["/requests", "GET"],
]);
const REQUEST_HEADERS = [
  "content-type",
  "accept",
  "traceparent",
  "x-request-id",
  "x-baton-timings",
  "user-agent",
];
const ANSWER_HEADERS = [
  "content-type",
  "cache-control",
  "retry-after",
  "server-timing",
  "traceparent",
  "x-request-id",
];

/** Answers requests below `/frontend/`; null for any other. */
export function createFrontendProxy(
  { url: frontendUrl }: FrontendProxyOptions,
): (request: Request) => Promise<Response | null> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(`${PREFIX}/`)) return null;
    const path = pathname.slice(PREFIX.length);
    const method = ROUTES.get(path);
    if (method === undefined) return failure(404, "The page asks the frontend for no such thing");
    if (request.method !== method) return failure(405, `Use ${method}`, { allow: method });
    // Once it is answered, the signal means nothing more: the body's own cancel tells of a client
    // that leaves.
    const abort = new AbortController();
    const onLeave = () => abort.abort();
    request.signal.addEventListener("abort", onLeave);
    try {
      const answer = await fetch(new URL(path, frontendUrl), {
        method,
        headers: picked(request.headers, REQUEST_HEADERS),
        body: method === "POST" ? request.body : null,
        redirect: "manual",
        signal: abort.signal,
      });
      return new Response(answer.body, {
        status: answer.status,
        headers: picked(answer.headers, ANSWER_HEADERS),
      });
    } catch (error) {
      const reason = fetchFailure(error);
      return failure(
        502,
        `Cannot reach the frontend at ${new URL(frontendUrl).host}: ${reason}; is it running? ` +
          "DYN_TRACES_FRONTEND_URL says where it is",
      );
    } finally {
      request.signal.removeEventListener("abort", onLeave);
    }
  };
}

function picked(headers: Headers, names: readonly string[]): Headers {
  return new Headers(names.flatMap((name): [string, string][] => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value]];
  }));
}

/** In OpenAI's form, as the frontend's own errors. */
function failure(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const error = { message, type: "proxy_error", param: null, code: null };
  return Response.json({ error }, { status, headers });
}
