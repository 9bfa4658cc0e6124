/** GET requests whose failures are sentences. */

import { DownloadError } from "./errors.ts";

export interface HttpRequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A failure that a later attempt may not see again. */
export class TransientError extends Error {
  override name = "TransientError";
  constructor(readonly outcome: DownloadError, readonly retryAfterMs?: number) {
    super(outcome.message, { cause: outcome.cause });
  }
}

/**
 * Requests `url`, moving user and password of the URL into an Authorization header.
 *
 * Resolves with a response of status 200, 206 or 416. Throws a DownloadError for an answer that
 * stays wrong (404, 403, other 4xx) and a TransientError for one that may pass (5xx, 429, no answer).
 */
export async function httpGet(url: string, options: HttpRequestOptions = {}): Promise<Response> {
  const { target, headers } = withoutCredentials(url);
  const shown = shownUrl(url);
  let response: Response;
  try {
    response = await fetch(target, {
      headers: { ...headers, ...options.headers },
      signal: options.signal,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new TransientError(
      new DownloadError("unreachable", `Cannot reach ${shown}: ${describeNetworkError(error)}`, {
        cause: error,
      }),
    );
  }
  if (response.status === 200 || response.status === 206 || response.status === 416) {
    return response;
  }
  await response.body?.cancel();
  const { status } = response;
  if (status === 404 || status === 410) {
    throw new DownloadError("not_found", `Cannot find ${shown}: the server answered ${status}`);
  }
  if (status === 401 || status === 403) {
    throw new DownloadError(
      "refused",
      `Cannot download ${shown}: the server answered ${status}; it wants a login or forbids this`,
    );
  }
  const failure = new DownloadError(
    "server_error",
    `Cannot download ${shown}: the server answered ${status}`,
  );
  if (status >= 500 || status === 429 || status === 408) {
    throw new TransientError(failure, retryAfterMs(response.headers.get("retry-after")));
  }
  throw failure;
}

function withoutCredentials(url: string): { target: string; headers: Record<string, string> } {
  const parsed = new URL(url);
  if (parsed.username === "" && parsed.password === "") return { target: url, headers: {} };
  const pair = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  parsed.username = "";
  parsed.password = "";
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(pair)));
  return { target: parsed.href, headers: { authorization: `Basic ${encoded}` } };
}

/** Gives `url` the user and password of `base` when both are of one origin, as a mirror's files are. */
export function withCredentialsOf(base: string, url: string): string {
  const [from, to] = [new URL(base), new URL(url)];
  if (from.origin !== to.origin || from.username === "" || to.username !== "") return url;
  to.username = from.username;
  to.password = from.password;
  return to.href;
}

/** The URL without user, password and query, for messages. */
export function shownUrl(url: string): string {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

/** For callers that may not use the network. */
export function notCached(url: string): DownloadError {
  return new DownloadError(
    "not_cached",
    `Cannot fetch ${
      shownUrl(url)
    }: the network is not to be used, and the cache lacks what it serves`,
  );
}

/** Only the form in seconds; registries send no dates. */
function retryAfterMs(header: string | null): number | undefined {
  return header !== null && /^\d{1,4}$/.test(header) ? Number(header) * 1000 : undefined;
}

/** What went wrong below HTTP, and what to look at. */
export function describeNetworkError(error: unknown): string {
  const text = error instanceof Error
    ? [error.message, error.cause instanceof Error ? error.cause.message : ""].join(" ")
    : String(error);
  if (/dns error|failed to lookup/i.test(text)) {
    return "its name cannot be resolved; check the network, the proxy and the spelling";
  }
  if (/connection refused/i.test(text)) return "the connection was refused";
  if (/certificate|UnknownIssuer/i.test(text)) {
    return "its certificate is not trusted; set DENO_TLS_CA_STORE=system or DENO_CERT to your " +
      "organisation's certificate";
  }
  if (/timed? ?out/i.test(text)) {
    return "it did not answer in time; check the network and the proxy";
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const inner = cause instanceof Error ? cause.message : text;
  return inner.replace(/ for url \(.*?\)/, "");
}
