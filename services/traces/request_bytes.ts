/** Reads the body of an export request, unpacked, within limits. */

import { concat } from "@std/bytes/concat.js";
import type { ByteShare } from "./byte_budget.ts";

export class BodyError extends Error {
  override name = "BodyError";
  readonly status: 400 | 408 | 413 | 415 | 429;

  constructor(status: BodyError["status"], message: string) {
    super(message);
    this.status = status;
  }
}

export interface RequestBytesOptions {
  /** Of the body as it is sent, and unpacked. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Holds what was read; the caller gives it back. */
  readonly share: ByteShare;
}

/** Throws a BodyError. */
export async function readRequestBytes(
  request: Request,
  options: RequestBytesOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = (request.headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new BodyError(415, `415 unsupported content encoding ${encoding}, supported: [gzip]`);
  }
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > options.maxBytes) throw tooLarge(options.maxBytes);
  const body = request.body;
  if (body === null) return new Uint8Array(0);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), options.timeoutMs);
  try {
    const sent = body.pipeThrough(limited(options), { signal: stop.signal });
    if (encoding === "identity") return await collect(sent);
    return await collect(
      sent.pipeThrough(new DecompressionStream("gzip")).pipeThrough(limited(options)),
    );
  } catch (error) {
    if (error instanceof BodyError) throw error;
    if (stop.signal.aborted) {
      throw new BodyError(408, `the body did not arrive in ${options.timeoutMs / 1000} s`);
    }
    throw new BodyError(400, encoding === "gzip" ? "the body is not valid gzip" : "broken body");
  } finally {
    clearTimeout(timer);
  }
}

/** Passes bytes on while they are within the limit and the budget. */
function limited(
  { maxBytes, share }: RequestBytesOptions,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let total = 0;
  return new TransformStream({
    transform(part, controller) {
      total += part.length;
      if (total > maxBytes) throw tooLarge(maxBytes);
      if (!share.grow(part.length)) {
        throw new BodyError(429, "too many spans are being stored; send them again a little later");
      }
      controller.enqueue(part);
    },
  });
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of stream) {
    parts.push(part);
  }
  return concat(parts);
}

function tooLarge(maxBytes: number): BodyError {
  return new BodyError(413, `the body is larger than ${maxBytes} bytes; send fewer spans at once`);
}
