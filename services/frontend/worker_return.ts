/**
 * Waits for workers that were here a moment ago: a short outage of NATS, or a crash and the restart
 * after it, takes every worker out of the directory until its next heartbeat, and no request need fail
 * of that.
 *
 * Only what has gone within the grace time is waited for, and no longer than to its end: where nothing
 * has been up for longer, a request is refused at once. So it is after a worker that was asked to leave:
 * whoever replaces it has no need to make it leave first.
 */

import type { InstanceDirectory } from "../../shared/bus/bus.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import type { ActiveSpan } from "../../shared/telemetry/telemetry.ts";

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

  constructor(directory: InstanceDirectory, graceMs: number) {
    this.#directory = directory;
    this.#graceMs = graceMs;
    this.#stop = directory.onChange((instances) => this.#note(instances));
    this.#note(directory.list());
  }

  /**
   * Resolves when a decode worker that `matches` takes requests, or need not be waited for any more, with
   * whether there was a wait: none when one is here, or none has gone lately. Rejects with the signal's
   * reason.
   */
  async decoder(
    matches: (instance: InstanceRecord) => boolean,
    { span, signal, deadlineAtMs }: WaitOptions,
  ): Promise<boolean> {
    const isReady = (instances: readonly InstanceRecord[]) =>
      instances.some((each) => each.role === "decode" && each.state === "ready" && matches(each));
    if (isReady(this.#directory.list())) return false;
    const sinceMs = [...this.#absent.values()]
      .filter(({ instance }) => instance.role === "decode" && matches(instance))
      .map((absence) => absence.sinceMs);
    const graceLeftMs = Math.max(...sinceMs) + this.#graceMs - performance.now();
    const leftMs = Math.min(graceLeftMs, deadlineAtMs - epochMs());
    if (leftMs <= 0) return false;
    const wait = span.child("worker_wait");
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), leftMs);
    try {
      await this.#directory.until(isReady, AbortSignal.any([signal, timeout.signal]));
      wait.set({ "router.worker_returned": true });
    } catch {
      wait.set({ "router.worker_returned": false });
      signal.throwIfAborted();
    } finally {
      clearTimeout(timer);
      wait.end();
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #note(instances: readonly InstanceRecord[]): void {
    const now = performance.now();
    const present = new Map(instances.map((instance) => [instance.instanceId, instance]));
    for (const [id, instance] of this.#present) {
      if (present.has(id) || instance.state === "draining") continue;
      this.#absent.set(id, { instance, sinceMs: now });
    }
    this.#present = present;
    for (const [id, { sinceMs }] of this.#absent) {
      if (present.has(id) || now - sinceMs >= this.#graceMs) this.#absent.delete(id);
    }
  }
}
