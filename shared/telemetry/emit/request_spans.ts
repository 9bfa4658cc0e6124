/**
 * A request's spans leave together.
 *
 * Ended spans of a request wait here until every local root of it (`http-request`, `handle_payload`, a
 * `kv.receive`) has ended, then go to the batch processor in one go, or are dropped and counted in one
 * go when the queue has no room. A process that is killed in the middle of a request then leaves no
 * child whose parent never arrives.
 *
 * Bounded: a request with very many spans, or one that comes when very many wait, is not held any
 * longer; its spans go as they end.
 *
 * Where one of them has a parent in another process that may yet be lost, all of them wait for that
 * (`remote_parents.ts`).
 *
 * Unsampled requests are recorded only where one may be kept (`unsampled_spans.ts`). Once it is, its
 * spans go the way of sampled ones.
 */

import { type SpanContext, TraceFlags } from "@opentelemetry/api";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { SpanReference } from "../telemetry.ts";
import type { ExportStats } from "./export_stats.ts";
import type { HeldSpans } from "./held_spans.ts";
import { RemoteParents } from "./remote_parents.ts";
import type { UnsampledRequest } from "./unsampled_spans.ts";

const MAX_HELD_PER_REQUEST = 1000;

/** The spans of one request in this process. */
export interface SpanGroup {
  readonly key: string;
  /** Of spans that unsampled requests asked for: what these requests wait with. */
  readonly askedBy: readonly UnsampledRequest[];
  /** What the request waits with for what it asked for itself. */
  readonly asked: UnsampledRequest;
  /** Of an unsampled request: it was let go. */
  isLost: boolean;
  openRoots: number;
  isHeld: boolean;
  held: ReadableSpan[];
}

/** Where spans wait that may leave. */
export interface SpanQueue {
  /** Null where nothing is exported. */
  readonly processor: SpanProcessor | null;
  readonly stats: ExportStats;
  /** Most spans that may wait for the collector. */
  readonly queueSize: number;
  /** Where spans of unsampled requests wait; null where none is ever kept. */
  readonly held: HeldSpans | null;
  /** Time that the word may take that a parent in another process was exported. */
  readonly parentWaitMs: number;
}

export class RequestSpans {
  readonly #queue: SpanQueue;
  readonly #groups = new Map<string, SpanGroup>();
  readonly #parents: RemoteParents;
  #heldSpans = 0;
  #isFlushing = false;
  #isShutDown = false;

  constructor(queue: SpanQueue) {
    this.#queue = queue;
    this.#parents = new RemoteParents(queue.parentWaitMs, (spans) => this.#leave(spans));
  }

  get isExporting(): boolean {
    return this.#queue.processor !== null;
  }

  /** Takes the request's group for one more local root; `askedBy` unsampled requests that asked for it. */
  open(key: string, askedBy: readonly SpanGroup[] = []): SpanGroup {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = newGroup(key, askedBy.map(({ asked }) => asked));
      this.#groups.set(key, group);
    }
    group.openRoots += 1;
    return group;
  }

  /** A local root has ended; the last one sends the request's spans on their way. */
  close(group: SpanGroup): void {
    group.openRoots -= 1;
    if (group.openRoots > 0) return;
    this.#groups.delete(group.key);
    this.#letGo(group);
    this.#queue.held?.ofRequests.ended(group);
    this.#queue.held?.asked.ended(group.asked);
  }

  /** Exports the request although it was not sampled. */
  keep(key: string): void {
    const { held } = this.#queue;
    if (held === null) return;
    const asked = Map.groupBy(held.asked.keep(key), (span) => span.spanContext().traceId);
    for (const trace of asked.values()) this.#enqueue(trace);
    const spans = held.ofRequests.keep(key);
    const group = this.#groups.get(key);
    if (group === undefined) this.#enqueue(spans);
    else for (const span of spans) this.#hold(group, span);
  }

  /** A span of the group has ended; `standIn` where its parent may be lost with another process. */
  ended(group: SpanGroup, span: ReadableSpan, standIn?: SpanReference): void {
    if (!this.isExporting) return;
    if (standIn !== undefined) this.#parents.standIn(span, standIn);
    if (isSampled(span) || !this.#waitsForWord(group, span)) this.#hold(group, span);
  }

  #waitsForWord(group: SpanGroup, span: ReadableSpan): boolean {
    const { held } = this.#queue;
    if (held === null) return false;
    const { askedBy } = group;
    if (askedBy.length === 0) return held.ofRequests.takes([group], span);
    return held.asked.takes(askedBy, span);
  }

  #hold(group: SpanGroup, span: ReadableSpan): void {
    if (!group.isHeld) return this.#enqueue([span]);
    group.held.push(span);
    this.#heldSpans += 1;
    const isFull = group.held.length >= MAX_HELD_PER_REQUEST ||
      this.#heldSpans > this.#queue.queueSize;
    if (isFull) this.#letGo(group);
  }

  /**
   * Other processes exported these spans; what waited for them has waited long enough. Where the collector
   * is slow the flush before is still under way, and what is free by now leaves in the next batch.
   */
  parentsExported(spanIds: readonly string[]): void {
    if (!this.#parents.exported(spanIds) || this.#isFlushing) return;
    this.#isFlushing = true;
    // The exporter itself tells of what fails.
    this.flush().catch(() => {}).finally(() => this.#isFlushing = false);
  }

  /** Sends what may leave now. */
  async flush(): Promise<void> {
    await this.#queue.processor?.forceFlush();
  }

  /** Resolves when nothing waits for a parent in another process. */
  parentsKnown(): Promise<void> {
    return this.#parents.none();
  }

  async shutdown(): Promise<void> {
    for (const group of this.#groups.values()) this.#letGo(group);
    this.#queue.held?.ofRequests.expire(Infinity);
    this.#queue.held?.asked.expire(Infinity);
    this.#parents.endAll();
    this.#isShutDown = true;
    await this.#queue.processor?.shutdown();
  }

  #letGo(group: SpanGroup): void {
    const spans = group.held;
    group.isHeld = false;
    group.held = [];
    this.#heldSpans -= spans.length;
    this.#enqueue(spans);
  }

  #enqueue(spans: readonly ReadableSpan[]): void {
    const { processor, stats, queueSize } = this.#queue;
    if (processor === null) return;
    if (this.#isShutDown || stats.queuedSpans + spans.length > queueSize) {
      stats.droppedSpans += spans.length;
      return;
    }
    stats.queuedSpans += spans.length;
    // Near the bound a place in the tree is given up before a span is.
    const hasRoom = stats.queuedSpans <= queueSize / 2;
    if (!hasRoom || !this.#parents.takes(spans)) this.#leave(spans);
  }

  #leave(spans: readonly ReadableSpan[]): void {
    const { processor, stats } = this.#queue;
    for (const span of spans) {
      const settled = this.#parents.settled(span);
      if (isSampled(span)) processor?.onEnd(settled);
      else {
        stats.keptSpans += 1;
        processor?.onEnd(asSampled(settled));
      }
    }
  }
}

function newGroup(key: string, askedBy: readonly UnsampledRequest[]): SpanGroup {
  const group: SpanGroup = {
    key,
    askedBy,
    asked: {
      key,
      isLost: false,
      get openRoots() {
        return group.openRoots;
      },
    },
    isLost: false,
    openRoots: 0,
    isHeld: true,
    held: [],
  };
  return group;
}

function isSampled(span: ReadableSpan): boolean {
  return (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
}

/** The span as an exporter takes it. What was sent to other services stays unsampled. */
function asSampled(span: ReadableSpan): ReadableSpan {
  const context: SpanContext = { ...span.spanContext(), traceFlags: TraceFlags.SAMPLED };
  return Object.create(span, { spanContext: { value: () => context } });
}
