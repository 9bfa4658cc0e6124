/**
 * Takes requests away from workers whose engine is stuck in a step, where another can go on with them.
 *
 * Such a worker answers pings, so calls of it do not fail by themselves. Where nobody could take over,
 * they stay: the step may yet end, and until then nothing is lost. So no more of them leave between two
 * heartbeats of the others than the queues of those have room for.
 */

import type { InstanceDirectory } from "../../shared/bus/bus.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import { queueRoom } from "./route.ts";
import { SentLedger } from "./sent_ledger.ts";

export interface WatchedAttempt {
  /** Instances whose calls are still open. */
  readonly openInstanceIds: readonly string[];
  /** Whether a decode worker could go on with it. */
  isFit(instance: InstanceRecord): boolean;
  /** Called with each instance that is stuck once another one takes requests. */
  onStuck(instanceId: string): void;
}

export class StuckWorkers implements Disposable {
  readonly #attempts = new Set<WatchedAttempt>();
  /** What was moved on since each taker's heartbeat. */
  readonly #moved = new SentLedger();
  readonly #stop: () => void;

  constructor(directory: InstanceDirectory) {
    this.#stop = directory.onChange((instances) => this.#note(instances));
  }

  /** Watches until the returned function is called. */
  watch(attempt: WatchedAttempt): () => void {
    this.#attempts.add(attempt);
    return () => this.#attempts.delete(attempt);
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #note(instances: readonly InstanceRecord[]): void {
    this.#moved.retain(instances);
    const stuckIds = new Set(
      instances.filter(({ state }) => state === "stuck").map(({ instanceId }) => instanceId),
    );
    if (stuckIds.size === 0) return;
    const decoders = instances.filter(({ role }) => role === "decode");
    for (const attempt of [...this.#attempts]) {
      const stuck = attempt.openInstanceIds.filter((id) => stuckIds.has(id));
      if (stuck.length === 0) continue;
      const taker = decoders.find((each) => this.#hasRoom(each) && attempt.isFit(each));
      if (taker === undefined) continue;
      this.#moved.add(taker, 0);
      for (const id of stuck) attempt.onStuck(id);
    }
  }

  #hasRoom(instance: InstanceRecord): boolean {
    return queueRoom(instance) > this.#moved.unreportedLoad(instance).requests;
  }
}
