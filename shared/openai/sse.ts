/** Server-sent events as OpenAI writes them: unnamed `data:` events of one JSON line, then `[DONE]`. */

import type { ErrorBody } from "./errors.ts";

const ENCODER = new TextEncoder();

/** One event. JSON has no raw line breaks, so one `data:` line holds it. */
export function sseData(value: unknown): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(`data: ${JSON.stringify(value)}\n\n`);
}

/** An error inside a stream: the event name lets a client tell it from a chunk without parsing. */
export function sseError(body: ErrorBody): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(`event: error\ndata: ${JSON.stringify(body)}\n\n`);
}

/** A line that clients skip and that keeps proxies from closing a silent stream. */
export function sseKeepAlive(): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(": keep-alive\n\n");
}

export function sseDone(): Uint8Array<ArrayBuffer> {
  return ENCODER.encode("data: [DONE]\n\n");
}
