/** Reads a JSON request body within a limit, without trusting its announced length. */

import { abortable } from "@std/async/abortable.js";
import { concat } from "@std/bytes/concat.js";
import { ApiError, parseJsonObject } from "../../shared/openai/mod.ts";

export interface RequestBody {
  readonly value: Readonly<Record<string, unknown>>;
  readonly bytes: number;
}

export interface RequestBodyOptions {
  readonly maxBytes: number;
  /** Aborting ends the reading of a body that does not come. */
  readonly signal: AbortSignal;
}

/**
 * Throws an ApiError: 415 for another content type or a content encoding, 413 beyond the limit, 400 for
 * broken JSON; or the signal's reason.
 */
export async function readJsonBody(
  request: Request,
  { maxBytes, signal }: RequestBodyOptions,
): Promise<RequestBody> {
  requireJson(request.headers.get("content-type"));
  refuseEncoded(request.headers.get("content-encoding"));
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > maxBytes) throw tooLarge(maxBytes);
  let bytes: Uint8Array;
  try {
    bytes = announced === null
      ? await readUpTo(request.body, { maxBytes, signal })
      : await readAnnounced(request, { maxBytes, signal });
  } catch (cause) {
    if (cause instanceof ApiError || signal.aborted) throw cause;
    throw new ApiError("client_closed_request", "The client closed its connection early", {
      cause,
    });
  }
  return { value: parseJsonObject(decodeText(bytes)), bytes: bytes.byteLength };
}

function requireJson(contentType: string | null): void {
  const [mediaType = ""] = (contentType ?? "").split(";");
  if (mediaType.trim().toLowerCase() === "application/json") return;
  throw new ApiError(
    "unsupported_media_type",
    "Cannot read the request body: send it with Content-Type: application/json",
  );
}

function refuseEncoded(contentEncoding: string | null): void {
  const encoding = contentEncoding?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return;
  throw new ApiError(
    "unsupported_media_type",
    `Cannot read the request body: its Content-Encoding is ${encoding}, send it uncompressed`,
  );
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ApiError("invalid_json", "Cannot parse the request body: it is not valid UTF-8", {
      cause,
    });
  }
}

/** The HTTP parser ends a body where its length said: the whole of it, without a stream in between. */
async function readAnnounced(
  request: Request,
  { maxBytes, signal }: RequestBodyOptions,
): Promise<Uint8Array> {
  const bytes: Uint8Array = await abortable(request.bytes(), signal);
  if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

async function readUpTo(
  body: ReadableStream<Uint8Array> | null,
  { maxBytes, signal }: RequestBodyOptions,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const stream = body?.pipeThrough(new TransformStream<Uint8Array>(), { signal });
  for await (const chunk of stream ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only;
  return concat(chunks);
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(
    "request_too_large",
    `Cannot read the request body: it is larger than ${maxBytes} bytes, shorten it`,
  );
}
