/**
 * Where the spans of unsampled requests wait for the word to keep them, with bounds.
 *
 * The word comes when the whole request has ended, which may be long after its part in this process.
 * A request that nobody asks for within the time after its end here is let go, and so is the one that
 * has waited longest when memory is short. A request is let go as a whole: what it still makes here
 * goes too. Memory is estimated from what the spans hold; a span that several requests asked for counts
 * once, until the last of them has been let go.
 */

import type { AttributeValue } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { KeepOptions } from "../telemetry.ts";
import { dropOldest } from "./drop_oldest.ts";
import type { ExportStats } from "./export_stats.ts";

/** The part of a request in this process. */
export interface UnsampledRequest {
  readonly key: string;
  /** Spans of it are open that nothing here is above of. */
  readonly openRoots: number;
  /** It was let go. */
  isLost: boolean;
}

/** A span that one request holds, or all that asked for it. */
interface HeldSpan {
  /** Null once it has left or was let go. */
  span: ReadableSpan | null;
  readonly bytes: number;
  holders: number;
}

interface Waiting {
  request: UnsampledRequest;
  spans: HeldSpan[];
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
   * Takes a span in for the requests that have it together, or lets it go where all of them are lost.
   * Returns false where one of them is kept.
   */
  takes(requests: readonly UnsampledRequest[], span: ReadableSpan): boolean {
    const holders = requests.filter(({ isLost }) => !isLost);
    if (holders.some(({ key }) => this.#kept.has(key))) return false;
    if (holders.length === 0) {
      this.#stats.evictedSpans += 1;
      return true;
    }
    const held = { span, bytes: estimatedBytes(span), holders: holders.length };
    this.#stats.heldSpans += 1;
    this.#stats.heldBytes += held.bytes;
    this.#heldBytes += held.bytes;
    for (const request of holders) this.#hold(request, held);
    this.#makeRoom(holders);
    return true;
  }

  #hold(request: UnsampledRequest, held: HeldSpan): void {
    let waiting = this.#waiting.get(request.key);
    if (waiting === undefined) {
      waiting = { request, spans: [], letGoAtMs: Infinity };
      this.#waiting.set(request.key, waiting);
    }
    waiting.request = request;
    waiting.letGoAtMs = Infinity;
    waiting.spans.push(held);
    if (request.openRoots === 0) this.ended(request);
  }

  /** The request has ended in this process. */
  ended({ key }: UnsampledRequest): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.letGoAtMs = performance.now() + this.#options.waitMs;
    this.#waiting.set(key, waiting);
  }

  /** Remembers that the request is kept, and gives what waited of it and has not left with another. */
  keep(key: string): ReadableSpan[] {
    this.#kept.delete(key);
    this.#kept.set(key, performance.now() + this.#options.waitMs);
    dropOldest(this.#kept, MAX_KEPT_KEYS);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return [];
    const spans: ReadableSpan[] = [];
    for (const held of this.#remove(waiting)) {
      if (held.span !== null) spans.push(held.span);
      this.#release(held);
    }
    return spans;
  }

  /** Lets go what has waited its time at `nowMs`, by this process's clock. */
  expire(nowMs: number): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.letGoAtMs <= nowMs) this.#stats.expiredSpans += this.#letGo(waiting);
    }
    for (const [key, untilMs] of this.#kept) {
      if (untilMs > nowMs) break;
      this.#kept.delete(key);
    }
  }

  #makeRoom(last: readonly UnsampledRequest[]): void {
    if (!this.#isFull) return;
    for (const victim of this.#victims(last)) {
      this.#stats.evictedSpans += this.#letGo(victim);
      if (!this.#isFull) return;
    }
  }

  get #isFull(): boolean {
    const { maxBytes, share } = this.#options;
    return this.#heldBytes > maxBytes * share || this.#stats.heldBytes > maxBytes;
  }

  /** The last resort are the requests that the last span came for. */
  *#victims(last: readonly UnsampledRequest[]): Generator<Waiting> {
    yield* this.#waiting.values().filter(({ letGoAtMs }) => letGoAtMs !== Infinity);
    for (const { key } of last) {
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) yield waiting;
    }
  }

  /** Returns how many spans nobody holds any longer. */
  #letGo(waiting: Waiting): number {
    waiting.request.isLost = true;
    let released = 0;
    for (const held of this.#remove(waiting)) {
      held.holders -= 1;
      if (held.holders === 0 && this.#release(held)) released += 1;
    }
    return released;
  }

  #remove(waiting: Waiting): HeldSpan[] {
    const { request, spans } = waiting;
    this.#waiting.delete(request.key);
    // A map's outgrown tables may hold the entry for a while, and with it what it has.
    waiting.spans = [];
    return spans;
  }

  #release(held: HeldSpan): boolean {
    if (held.span === null) return false;
    held.span = null;
    this.#stats.heldSpans -= 1;
    this.#stats.heldBytes -= held.bytes;
    this.#heldBytes -= held.bytes;
    return true;
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
