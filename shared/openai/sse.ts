/** Server-sent events as OpenAI writes them: unnamed `data:` events of one JSON line, then `[DONE]`. */

import type { ErrorBody } from "./errors.ts";

/** One event. JSON has no raw line breaks, so one `data:` line holds it. */
export function sseData(json: string): string {
  return `data: ${json}\n\n`;
}

/** An error inside a stream: the event name lets a client tell it from a chunk without parsing. */
export function sseError(body: ErrorBody): string {
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
}

/** A line that clients skip and that keeps proxies from closing a silent stream. */
export function sseKeepAlive(): string {
  return ": keep-alive\n\n";
}

export function sseDone(): string {
  return "data: [DONE]\n\n";
}
