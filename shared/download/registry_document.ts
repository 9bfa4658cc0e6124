import { delay } from "@std/async/delay.js";
import { DownloadError } from "./errors.ts";
import { httpGet, notCached, shownUrl, TransientError } from "./http_request.ts";

export interface DocumentOptions {
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Never ask the network: every document is an error (`not_cached`). */
  readonly cacheOnly?: boolean;
  /** Default 3. */
  readonly attempts?: number;
  /** Default 500, doubled for each further attempt. */
  readonly retryDelayMs?: number;
}

export interface Document {
  readonly text: string;
  readonly contentType: string;
  /** After redirects; relative links start here. */
  readonly url: string;
}

/** Index documents of the largest packages are some MiB. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** Gets a registry's document. Throws a DownloadError, or the signal's reason. */
export async function getDocument(url: string, options: DocumentOptions = {}): Promise<Document> {
  if (options.cacheOnly) throw notCached(url);
  const attempts = options.attempts ?? 3;
  for (let failures = 1;; failures++) {
    try {
      return await getOnce(url, options);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (failures >= attempts) throw error.outcome;
      const waitMs = error.retryAfterMs ?? (options.retryDelayMs ?? 500) * 2 ** (failures - 1);
      await delay(Math.min(waitMs, TIMEOUT_MS), { signal: options.signal });
    }
  }
}

async function getOnce(url: string, options: DocumentOptions): Promise<Document> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  try {
    const response = await httpGet(url, {
      headers: { ...(options.accept ? { accept: options.accept } : {}), ...options.headers },
      signal,
    });
    return {
      text: await readText(response, url),
      contentType: response.headers.get("content-type") ?? "",
      url: response.url,
    };
  } catch (error) {
    if (error instanceof DownloadError || error instanceof TransientError) throw error;
    options.signal?.throwIfAborted();
    throw new TransientError(
      new DownloadError(
        "unreachable",
        `Cannot read ${shownUrl(url)}: the answer broke off or took over ${TIMEOUT_MS / 1000} s; ` +
          "check the network and the proxy",
        { cause: error },
      ),
    );
  }
}

async function readText(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_DOCUMENT_BYTES) {
      throw new DownloadError("server_error", `Cannot read ${shownUrl(url)}: it is too large`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Parses a registry's JSON; anything else is a DownloadError, as from a captive portal. */
export function parseJson(document: Document): unknown {
  try {
    return JSON.parse(document.text);
  } catch (error) {
    throw unexpectedAnswer(document, "no JSON", error);
  }
}

/** A DownloadError for an answer of status 200 that is not what its API promises. */
export function unexpectedAnswer(
  document: Document,
  what: string,
  cause?: unknown,
): DownloadError {
  return new DownloadError(
    "server_error",
    `Cannot use the answer of ${shownUrl(document.url)}: it has ${what}; ` +
      "check the registry setting, and that no proxy answers in its place",
    { cause },
  );
}
