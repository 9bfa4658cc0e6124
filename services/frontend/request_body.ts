/** Reads a JSON request body within a limit, without trusting its announced length. */

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
 * Throws an ApiError: 415 for another content type or a content encoding, 413 beyond the limit, 400 for broken JSON; or the
 * signal's reason.
 */
export async function readJsonBody(
  request: Request,
  { maxBytes, signal }: RequestBodyOptions,
): Promise<RequestBody> {
  requireJson(request.headers.get("content-type"));
  refuseEncoded(request.headers.get("content-encoding"));
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const body = request.body?.pipeThrough(new TransformStream<Uint8Array>(), { signal }) ?? null;
  let bytes: Uint8Array;
  try {
    bytes = await readUpTo(body, maxBytes);
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

async function readUpTo(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
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
    `Cannot read the request body: it is larger than ${maxBytes} bytes`,
  );
}
