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
import { dropOldest } from "./drop_oldest.ts";

/** Words that are remembered though no span here is below what they tell of: it may end a moment later. */
const MAX_EARLY_IDS = 10_000;
/** Parents of which no word has come: most of them are lost. */
const MAX_MISSING = 10_000;

/** The parent of a span. */
interface Parent {
  /** Takes its place. */
  readonly standIn: SpanContext;
  isMissing: boolean;
}

interface Waiting {
  readonly spans: readonly ReadableSpan[];
  readonly timer: ReturnType<typeof setTimeout>;
}

export class RemoteParents {
  readonly #waitMs: number;
  readonly #leave: (spans: readonly ReadableSpan[]) => void;
  readonly #parents = new WeakMap<ReadableSpan, Parent>();
  /** By span id, those that are missing, oldest first. */
  readonly #missing = new Map<string, Parent>();
  /** Oldest first. */
  readonly #earlyIds = new Set<string>();
  readonly #waiting = new Set<Waiting>();
  #emptied = Promise.withResolvers<void>();

  /** `leave` gets spans that have waited: give each through `settled`. */
  constructor(waitMs: number, leave: (spans: readonly ReadableSpan[]) => void) {
    this.#waitMs = waitMs;
    this.#leave = leave;
  }

  /** The span's parent is another process's; `standIn` takes its place if it must. */
  standIn(span: ReadableSpan, { traceId, spanId }: SpanReference): void {
    const id = span.parentSpanContext?.spanId;
    if (id === undefined) return;
    const parent: Parent = {
      standIn: { traceId, spanId, traceFlags: TraceFlags.SAMPLED },
      isMissing: !this.#earlyIds.delete(id),
    };
    this.#parents.set(span, parent);
    if (!parent.isMissing) return;
    this.#missing.set(id, parent);
    dropOldest(this.#missing, MAX_MISSING);
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
    const found = spanIds.filter((id) => this.#find(id));
    dropOldest(this.#earlyIds, MAX_EARLY_IDS);
    if (found.length === 0) return false;
    const before = this.#waiting.size;
    for (const waiting of this.#waiting) {
      if (!waiting.spans.some((span) => this.#isMissing(span))) this.#end(waiting);
    }
    return this.#waiting.size < before;
  }

  /** Whether a span here is below the one that was exported. */
  #find(id: string): boolean {
    const parent = this.#missing.get(id);
    if (parent === undefined) {
      this.#earlyIds.add(id);
      return false;
    }
    parent.isMissing = false;
    return this.#missing.delete(id);
  }

  /**
   * The span as it may leave: below its parent if that was exported, else below the stand-in. The word may
   * come until the collector has room for it.
   */
  settled(span: ReadableSpan): ReadableSpan {
    const parent = this.#parents.get(span);
    const { parentSpanContext: own, links } = span;
    if (parent === undefined || !parent.isMissing || own === undefined) return span;
    return Object.create(span, {
      parentSpanContext: { get: () => parent.isMissing ? parent.standIn : own },
      links: { get: () => parent.isMissing ? [...links, { context: own }] : links },
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
    return this.#parents.get(span)?.isMissing === true;
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
