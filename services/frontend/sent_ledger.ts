/**
 * Counts what this frontend sent to each instance since its last heartbeat, so that a burst between
 * two heartbeats spreads over the instances instead of meeting the one that was idle a second ago.
 */

import type { InstanceRecord } from "../../shared/messages/mod.ts";
import type { UnreportedLoad } from "./route.ts";

interface Entry extends UnreportedLoad {
  /** The heartbeat after which these were sent. */
  readonly sentAtMs: number;
}

const NOTHING: UnreportedLoad = { requests: 0, promptTokens: 0 };

export class SentLedger {
  readonly #entries = new Map<string, Entry>();

  add({ instanceId, sentAtMs }: InstanceRecord, promptTokens: number): void {
    const entry = this.#entries.get(instanceId);
    const before = entry?.sentAtMs === sentAtMs ? entry : NOTHING;
    this.#entries.set(instanceId, {
      sentAtMs,
      requests: before.requests + 1,
      promptTokens: before.promptTokens + promptTokens,
    });
  }

  unreportedLoad({ instanceId, sentAtMs }: InstanceRecord): UnreportedLoad {
    const entry = this.#entries.get(instanceId);
    return entry?.sentAtMs === sentAtMs ? entry : NOTHING;
  }

  /** Forgets instances that are gone. */
  retain(instances: readonly InstanceRecord[]): void {
    const alive = new Set(instances.map((instance) => instance.instanceId));
    for (const id of this.#entries.keys()) {
      if (!alive.has(id)) this.#entries.delete(id);
    }
  }
}
