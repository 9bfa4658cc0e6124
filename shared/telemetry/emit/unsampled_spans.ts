/**
 * Where the spans of unsampled requests wait for the word to keep them, with bounds.
 *
 * The word comes when the whole request has ended, which may be long after its part in this process.
 * A request that nobody asks for within the time after its end here is let go, and so is the one that
 * has waited longest when memory is short. A request is let go as a whole: what it still makes here
 * goes too. Memory is estimated from what the spans hold.
 */

import type { AttributeValue } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { KeepOptions } from "../telemetry.ts";
import type { ExportStats } from "./export_stats.ts";

/** The part of a request in this process. */
export interface UnsampledRequest {
  readonly key: string;
  /** Spans of it are open that nothing here is above of. */
  readonly openRoots: number;
  /** It was let go. */
  isLost: boolean;
}

interface Waiting {
  request: UnsampledRequest;
  spans: ReadableSpan[];
  bytes: number;
  /** Infinity while the request goes on here. */
  letGoAtMs: number;
}

/** Requests whose word is remembered for what they make here later. */
const MAX_KEPT_KEYS = 10_000;
/** A span of the SDK with its times, ids and empty lists. */
const SPAN_BYTES = 1200;
const ATTRIBUTE_BYTES = 48;

export interface UnsampledSpansOptions extends Pick<KeepOptions, "maxBytes" | "waitMs"> {
  /** What it may hold of `maxBytes`, which counts all that is held in the process. */
  readonly share: number;
}

export class UnsampledSpans {
  readonly #options: UnsampledSpansOptions;
  readonly #stats: ExportStats;
  #heldBytes = 0;
  /** Of those that ended here, the one that waits longest comes first. */
  readonly #waiting = new Map<string, Waiting>();
  /** Until when the word holds, oldest first. */
  readonly #kept = new Map<string, number>();

  constructor(options: UnsampledSpansOptions, stats: ExportStats) {
    this.#options = options;
    this.#stats = stats;
  }

  /**
   * Takes a span in, or lets it go with its lost request. Returns false for one that is kept. `holders`
   * requests have the span together, and share its memory.
   */
  takes(request: UnsampledRequest, span: ReadableSpan, holders = 1): boolean {
    if (request.isLost) {
      this.#stats.evictedSpans += 1;
      return true;
    }
    if (this.#kept.has(request.key)) return false;
    let waiting = this.#waiting.get(request.key);
    if (waiting === undefined) {
      waiting = { request, spans: [], bytes: 0, letGoAtMs: Infinity };
      this.#waiting.set(request.key, waiting);
    }
    const bytes = Math.ceil(estimatedBytes(span) / holders);
    waiting.request = request;
    waiting.letGoAtMs = Infinity;
    waiting.spans.push(span);
    waiting.bytes += bytes;
    this.#stats.heldSpans += 1;
    this.#stats.heldBytes += bytes;
    this.#heldBytes += bytes;
    if (request.openRoots === 0) this.ended(request);
    this.#makeRoom(waiting);
    return true;
  }

  /** The request has ended in this process. */
  ended({ key }: UnsampledRequest): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.letGoAtMs = performance.now() + this.#options.waitMs;
    this.#waiting.set(key, waiting);
  }

  /** Remembers that the request is kept, and gives what waited of it. */
  keep(key: string): ReadableSpan[] {
    this.#kept.delete(key);
    this.#kept.set(key, performance.now() + this.#options.waitMs);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT_KEYS) break;
      this.#kept.delete(oldest);
    }
    const waiting = this.#waiting.get(key);
    return waiting === undefined ? [] : this.#remove(waiting);
  }

  /** Lets go what has waited its time at `nowMs`, by this process's clock. */
  expire(nowMs: number): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.letGoAtMs > nowMs) continue;
      this.#stats.expiredSpans += this.#remove(waiting).length;
      waiting.request.isLost = true;
    }
    for (const [key, untilMs] of this.#kept) {
      if (untilMs > nowMs) break;
      this.#kept.delete(key);
    }
  }

  /** The last resort is the request that came last. */
  #makeRoom(last: Waiting): void {
    const { maxBytes, share } = this.#options;
    while (this.#heldBytes > maxBytes * share || this.#stats.heldBytes > maxBytes) {
      const victim = this.#longestWaiting() ?? last;
      this.#evict(victim);
      if (victim === last) return;
    }
  }

  #longestWaiting(): Waiting | undefined {
    return this.#waiting.values().find(({ letGoAtMs }) => letGoAtMs !== Infinity);
  }

  #evict(waiting: Waiting): void {
    this.#stats.evictedSpans += this.#remove(waiting).length;
    waiting.request.isLost = true;
  }

  #remove(waiting: Waiting): ReadableSpan[] {
    const { request, spans, bytes } = waiting;
    this.#waiting.delete(request.key);
    // A map's outgrown tables may hold the entry for a while, and with it what it has.
    waiting.spans = [];
    this.#stats.heldSpans -= spans.length;
    this.#stats.heldBytes -= bytes;
    this.#heldBytes -= bytes;
    return spans;
  }
}

function estimatedBytes({ attributes, events, links }: ReadableSpan): number {
  let bytes = SPAN_BYTES + links.length * SPAN_BYTES / 4;
  for (const held of [attributes, ...events.map((event) => event.attributes ?? {})]) {
    for (const value of Object.values(held)) bytes += ATTRIBUTE_BYTES + textBytes(value);
  }
  return bytes;
}

/** Text as JavaScript holds it, at most. */
function textBytes(value: AttributeValue | undefined): number {
  if (typeof value === "string") return value.length * 2;
  if (!Array.isArray(value)) return 0;
  return value.reduce((sum: number, item) => sum + ATTRIBUTE_BYTES + String(item).length * 2, 0);
}
