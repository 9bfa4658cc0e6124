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
 */

import { type Context, createContextKey } from "@opentelemetry/api";
import type { ReadableSpan, Span, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { ExportStats } from "./exporter.ts";

const GROUP = createContextKey("spans of one request");
const MAX_HELD_PER_REQUEST = 1000;

/** The spans of one request in this process. */
export interface SpanGroup {
  readonly key: string;
  openRoots: number;
  isHeld: boolean;
  held: ReadableSpan[];
}

/** Where spans wait that may leave. */
export interface SpanQueue {
  readonly processor: SpanProcessor;
  readonly stats: ExportStats;
  /** Most spans that may wait for the collector. */
  readonly queueSize: number;
}

export class RequestSpans implements SpanProcessor {
  readonly #queue: SpanQueue;
  readonly #groups = new Map<string, SpanGroup>();
  readonly #groupOf = new WeakMap<ReadableSpan, SpanGroup>();
  #heldSpans = 0;
  #isShutDown = false;

  constructor(queue: SpanQueue) {
    this.#queue = queue;
  }

  /** Takes the request's group for one more local root. */
  open(key: string): SpanGroup {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { key, openRoots: 0, isHeld: true, held: [] };
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
  }

  onStart(span: Span, parentContext: Context): void {
    const group = parentContext.getValue(GROUP);
    if (isGroup(group)) this.#groupOf.set(span, group);
  }

  onEnd(span: ReadableSpan): void {
    const group = this.#groupOf.get(span);
    if (group === undefined || !group.isHeld) return this.#enqueue([span]);
    group.held.push(span);
    this.#heldSpans += 1;
    const isFull = group.held.length >= MAX_HELD_PER_REQUEST ||
      this.#heldSpans > this.#queue.queueSize;
    if (isFull) this.#letGo(group);
  }

  async forceFlush(): Promise<void> {
    await this.#queue.processor.forceFlush();
  }

  async shutdown(): Promise<void> {
    for (const group of this.#groups.values()) this.#letGo(group);
    this.#isShutDown = true;
    await this.#queue.processor.shutdown();
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
    if (this.#isShutDown || stats.queuedSpans + spans.length > queueSize) {
      stats.droppedSpans += spans.length;
      return;
    }
    stats.queuedSpans += spans.length;
    for (const span of spans) processor.onEnd(span);
  }
}

/** A context whose spans belong to the group. */
export function withGroup(context: Context, group: SpanGroup): Context {
  return context.setValue(GROUP, group);
}

function isGroup(value: unknown): value is SpanGroup {
  return typeof value === "object" && value !== null && "openRoots" in value;
}
