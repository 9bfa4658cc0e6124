/**
 * Takes requests away from workers whose engine is stuck in a step, where another can go on with them.
 *
 * Such a worker answers pings, so calls of it do not fail by themselves. Where nobody could take over,
 * they stay: the step may yet end, and until then nothing is lost.
 */

import type { InstanceDirectory } from "../../shared/bus/bus.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import { takesRequests } from "./route.ts";

export interface WatchedAttempt {
  readonly instanceIds: readonly string[];
  /** Whether a decode worker could go on with it. */
  isFit(instance: InstanceRecord): boolean;
  /** Called when one of the instances is stuck and another one takes requests. */
  onStuck(instanceId: string): void;
}

export class StuckWorkers implements Disposable {
  readonly #attempts = new Set<WatchedAttempt>();
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
    const stuckIds = new Set(
      instances.filter(({ state }) => state === "stuck").map(({ instanceId }) => instanceId),
    );
    if (stuckIds.size === 0) return;
    const takers = instances.filter((each) => each.role === "decode" && takesRequests(each));
    for (const { instanceIds, isFit, onStuck } of [...this.#attempts]) {
      const stuckId = instanceIds.find((id) => stuckIds.has(id));
      if (stuckId !== undefined && takers.some(isFit)) onStuck(stuckId);
    }
  }
}
