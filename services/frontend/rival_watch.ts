/**
 * Tells the operator of two live workers with one instance id: both take every call of that id, their
 * frames mix and the calls fail. A worker looks for such a rival before it serves; two that start in the
 * same moment see each other only here.
 */

import type { InstanceDirectory } from "../../shared/bus/bus.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import type { Logger } from "../../shared/telemetry/telemetry.ts";

interface Known {
  /** Of the process that started last. */
  readonly newest: InstanceRecord;
  isTold: boolean;
}

export class RivalWatch implements Disposable {
  readonly #log: Logger;
  readonly #known = new Map<string, Known>();
  readonly #stop: () => void;

  constructor(directory: InstanceDirectory, log: Logger) {
    this.#log = log;
    this.#stop = directory.onChange((instances) => this.#note(instances));
    this.#note(directory.list());
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #note(instances: readonly InstanceRecord[]): void {
    for (const instance of instances) this.#compare(instance);
    const live = new Set(instances.map(({ instanceId }) => instanceId));
    for (const [id, { isTold }] of this.#known) {
      if (!isTold && !live.has(id)) this.#known.delete(id);
    }
  }

  /** A restart is a younger process under an id; an older one after it lives beside it. */
  #compare(instance: InstanceRecord): void {
    const { instanceId, startedAtMs } = instance;
    const known = this.#known.get(instanceId);
    if (known === undefined || startedAtMs > known.newest.startedAtMs) {
      this.#known.set(instanceId, { newest: instance, isTold: known?.isTold ?? false });
    } else if (startedAtMs < known.newest.startedAtMs && !known.isTold) {
      known.isTold = true;
      this.#log.error(
        "two workers share an instance id: give each its own DYN_INSTANCE_ID, or none",
        {
          worker_id: instanceId,
          processes: [known.newest, instance].map(({ host, pid }) => `${host}/${pid}`).join(", "),
        },
      );
    }
  }
}
