/**
 * Waits for workers that were here a moment ago: a short outage of NATS, a crash and the restart after
 * it, or a worker that is asked to leave and replaced, takes every worker away for some seconds, and no
 * request need fail of that.
 *
 * Waited for is while one leaves, and from then on for the grace time: where nothing has been up for
 * longer, a request is refused at once.
 */

import type { InstanceDirectory } from "../../shared/bus/bus.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { InstanceRecord, InstanceState } from "../../shared/messages/mod.ts";
import type { ActiveSpan } from "../../shared/telemetry/telemetry.ts";

/** States of a worker that ends, within the time of its drain. */
const LEAVING: ReadonlySet<InstanceState> = new Set(["draining", "failed"]);

type Filter = (instance: InstanceRecord) => boolean;

function readyAnd(matches: Filter): Filter {
  return (instance) => instance.state === "ready" && matches(instance);
}

interface Absence {
  readonly instance: InstanceRecord;
  readonly sinceMs: number;
}

interface WaitOptions {
  /** Tells of the wait. */
  readonly span: ActiveSpan<"http_request">;
  readonly signal: AbortSignal;
  /** Of the request: it is not waited for longer, whoever may come back. */
  readonly deadlineAtMs: number;
}

export class WorkerReturn implements Disposable {
  readonly #directory: InstanceDirectory;
  readonly #graceMs: number;
  readonly #stop: () => void;
  #present = new Map<string, InstanceRecord>();
  readonly #absent = new Map<string, Absence>();
  readonly #waiting = new Set<WaitOptions["span"]>();

  constructor(directory: InstanceDirectory, graceMs: number) {
    this.#directory = directory;
    this.#graceMs = graceMs;
    this.#stop = directory.onChange((instances) => this.#note(instances));
    this.#note(directory.list());
  }

  /**
   * Whether a decode worker that `matches` takes requests. To be asked after each wait: another request's
   * failure may have dropped the one that came back.
   */
  has(matches: Filter): boolean {
    return this.#directory.list("decode").some(readyAnd(matches));
  }

  /**
   * Resolves when a decode worker that `matches` takes requests, or need not be waited for any more, with
   * whether there was a wait: none when one is here, or none has gone lately. Rejects with the signal's
   * reason.
   */
  async decoder(
    matches: Filter,
    { span, signal, deadlineAtMs }: WaitOptions,
  ): Promise<boolean> {
    const isFit: Filter = (instance) => instance.role === "decode" && matches(instance);
    if (this.has(matches)) return false;
    const leftMs = () => Math.min(this.#graceLeftMs(isFit), deadlineAtMs - epochMs());
    if (leftMs() <= 0) return false;
    const wait = span.child("worker_wait");
    let hasReturned = false;
    this.#waiting.add(span);
    try {
      while (!hasReturned && leftMs() > 0) {
        await this.#comesWithin(leftMs(), readyAnd(isFit), signal);
        // Another request's failure may have dropped it again before this one is told.
        hasReturned = this.has(matches);
      }
    } finally {
      this.#waiting.delete(span);
      wait.set({ "router.worker_returned": hasReturned });
      wait.end();
    }
    return true;
  }

  /** Whether the request of the span waits now. */
  isWaiting(span: WaitOptions["span"]): boolean {
    return this.#waiting.has(span);
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  /** How long to wait yet; while one leaves, what is left from its departure on. */
  #graceLeftMs(isFit: Filter): number {
    if (this.#directory.list().some((each) => LEAVING.has(each.state) && isFit(each))) {
      return this.#graceMs;
    }
    const sinceMs = [...this.#absent.values()]
      .filter(({ instance }) => isFit(instance))
      .map((absence) => absence.sinceMs);
    return Math.max(...sinceMs) + this.#graceMs - performance.now();
  }

  /** Resolves when one is ready, or the time is over. Rejects with the signal's reason. */
  async #comesWithin(timeMs: number, isReady: Filter, signal: AbortSignal): Promise<void> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeMs);
    const either = AbortSignal.any([signal, timeout.signal]);
    try {
      await this.#directory.until((instances) => instances.some(isReady), either);
    } catch {
      signal.throwIfAborted();
    } finally {
      clearTimeout(timer);
    }
  }

  #note(instances: readonly InstanceRecord[]): void {
    const now = performance.now();
    const present = new Map(instances.map((instance) => [instance.instanceId, instance]));
    for (const [id, instance] of this.#present) {
      if (!present.has(id)) this.#absent.set(id, { instance, sinceMs: now });
    }
    this.#present = present;
    for (const [id, { sinceMs }] of this.#absent) {
      if (present.has(id) || now - sinceMs >= this.#graceMs) this.#absent.delete(id);
    }
  }
}
