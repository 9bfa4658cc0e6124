/**
 * Spans below a span that another process has to export.
 *
 * A process that is killed takes with it what had not left, so such a span waits, with all that leaves
 * together with it, for the word that its parent was exported. Where the word does not come in time it
 * leaves below a span of this process instead, with a link to the parent: an orphan is impossible, and
 * what a late parent costs is its place in the tree.
 */

import { type SpanContext, TraceFlags } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import type { SpanReference } from "../telemetry.ts";

/** Words that are remembered: one may come before the span that it is about has ended. */
const MAX_EXPORTED_IDS = 10_000;

interface Waiting {
  readonly spans: readonly ReadableSpan[];
  readonly timer: ReturnType<typeof setTimeout>;
}

export class RemoteParents {
  readonly #waitMs: number;
  readonly #leave: (spans: readonly ReadableSpan[]) => void;
  /** What takes a parent's place. */
  readonly #standIns = new WeakMap<ReadableSpan, SpanReference>();
  /** Oldest first. */
  readonly #exportedIds = new Set<string>();
  readonly #waiting = new Set<Waiting>();
  #emptied = Promise.withResolvers<void>();

  /** `leave` gets spans that have waited: give each through `settled`. */
  constructor(waitMs: number, leave: (spans: readonly ReadableSpan[]) => void) {
    this.#waitMs = waitMs;
    this.#leave = leave;
  }

  /** The span's parent is another process's; `standIn` takes its place if it must. */
  standIn(span: ReadableSpan, standIn: SpanReference): void {
    this.#standIns.set(span, standIn);
  }

  /** Takes spans in that leave together; false where they need not wait. */
  takes(spans: readonly ReadableSpan[]): boolean {
    if (!spans.some((span) => this.#isMissing(span))) return false;
    const waiting: Waiting = {
      spans,
      timer: setTimeout(() => this.#end(waiting), this.#waitMs),
    };
    Deno.unrefTimer(waiting.timer);
    this.#waiting.add(waiting);
    return true;
  }

  /** Other processes exported these spans. Returns whether something had waited for them. */
  exported(spanIds: readonly string[]): boolean {
    for (const id of spanIds) this.#exportedIds.add(id);
    for (const oldest of this.#exportedIds) {
      if (this.#exportedIds.size <= MAX_EXPORTED_IDS) break;
      this.#exportedIds.delete(oldest);
    }
    const before = this.#waiting.size;
    for (const waiting of this.#waiting) {
      if (!waiting.spans.some((span) => this.#isMissing(span))) this.#end(waiting);
    }
    return this.#waiting.size < before;
  }

  /** The span as it may leave now: below its parent if that was exported, else below the stand-in. */
  settled(span: ReadableSpan): ReadableSpan {
    const standIn = this.#standIns.get(span);
    const { parentSpanContext: parent } = span;
    if (standIn === undefined || parent === undefined || !this.#isMissing(span)) return span;
    const parentSpanContext: SpanContext = { ...standIn, traceFlags: TraceFlags.SAMPLED };
    return Object.create(span, {
      parentSpanContext: { value: parentSpanContext },
      links: { value: [...span.links, { context: parent }] },
    });
  }

  /** Resolves when nothing waits. */
  async none(): Promise<void> {
    if (this.#waiting.size > 0) await this.#emptied.promise;
  }

  /** Nothing waits any longer. */
  endAll(): void {
    for (const waiting of this.#waiting) this.#end(waiting);
  }

  #isMissing(span: ReadableSpan): boolean {
    if (!this.#standIns.has(span)) return false;
    const { parentSpanContext: parent } = span;
    return parent === undefined || !this.#exportedIds.has(parent.spanId);
  }

  #end(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.#waiting.delete(waiting);
    this.#leave(waiting.spans);
    if (this.#waiting.size > 0) return;
    this.#emptied.resolve();
    this.#emptied = Promise.withResolvers();
  }
}
