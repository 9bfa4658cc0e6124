/**
 * Which workers live, by their heartbeats. A heartbeat is an InstanceRecord; a worker that leaves
 * says so with a Departure, and one that dies is forgotten when its heartbeats stay away, by this
 * end's ticks: the clocks of two hosts are never compared.
 */

import { type InstanceRecord, parseInstanceRecord, type Role } from "../messages/mod.ts";
import type { InstanceDirectory } from "./bus.ts";
import { decodePayload } from "./payload.ts";

/** Published in place of a heartbeat when an instance stops. */
export interface Departure {
  readonly instanceId: string;
  readonly hasLeft: true;
}

type Listener = (instances: readonly InstanceRecord[]) => void;

interface Entry {
  readonly record: InstanceRecord;
  silentTicks: number;
}

export class HeartbeatDirectory implements InstanceDirectory {
  readonly #ttlTicks: number;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<Listener>();

  constructor(ttlTicks: number) {
    this.#ttlTicks = ttlTicks;
  }

  list(role?: Role): readonly InstanceRecord[] {
    const records = [...this.#entries.values()].map((entry) => entry.record);
    return role ? records.filter((record) => record.role === role) : records;
  }

  drop(instanceId: string): void {
    if (this.#entries.delete(instanceId)) this.#notify();
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async until(
    isReady: (instances: readonly InstanceRecord[]) => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    signal?.throwIfAborted();
    if (isReady(this.list())) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const removeListener = this.onChange((instances) => {
      if (isReady(instances)) resolve();
    });
    try {
      await promise;
    } finally {
      removeListener();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Takes one heartbeat message; anything else on its subject is ignored. */
  receive(data: Uint8Array): void {
    let body: unknown;
    try {
      body = decodePayload(data);
    } catch {
      return;
    }
    if (isDeparture(body)) return this.drop(body.instanceId);
    const record = parseInstanceRecord(body);
    if (record === null) return;
    this.#entries.set(record.instanceId, { record, silentTicks: 0 });
    this.#notify();
  }

  tick(): void {
    const before = this.#entries.size;
    for (const [instanceId, entry] of this.#entries) {
      if (++entry.silentTicks >= this.#ttlTicks) this.#entries.delete(instanceId);
    }
    if (this.#entries.size < before) this.#notify();
  }

  #notify(): void {
    const instances = this.list();
    for (const listener of [...this.#listeners]) listener(instances);
  }
}

function isDeparture(body: unknown): body is Departure {
  return typeof body === "object" && body !== null && "hasLeft" in body && body.hasLeft === true &&
    "instanceId" in body && typeof body.instanceId === "string";
}
