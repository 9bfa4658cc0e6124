/** The bus and the workers on it, as their heartbeats show them. */

import { epochMs } from "../../../shared/clock/epoch_clock.ts";
import { type Bus, connectBus } from "../../../shared/bus/mod.ts";
import type { InstanceRecord } from "../../../shared/messages/mod.ts";
import { messageOf } from "./finding.ts";

export interface HeardInstance {
  readonly record: InstanceRecord;
  /**
   * This clock at a heartbeat's arrival less its sender's at its departure: the message's way and the
   * difference of the clocks. The least of all that were heard.
   */
  readonly delayMs: number;
}

export type BusAnswer =
  | {
    readonly kind: "connected";
    readonly pingMs: number;
    readonly heard: readonly HeardInstance[];
  }
  | { readonly kind: "unreachable"; readonly reason: string };

export interface BusQuestion {
  readonly url: string;
  readonly namespace: string;
  /** Time for heartbeats, which come once a second; default 2200. */
  readonly listenMs?: number;
}

const CONNECT_TIMEOUT_MS = 3_000;
const LISTEN_MS = 2_200;

/** Connects and listens for heartbeats. Never throws. */
export async function viewBus({ url, namespace, listenMs }: BusQuestion): Promise<BusAnswer> {
  try {
    await using bus = await connectBus({
      url,
      namespace,
      clientName: "baton-doctor",
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
    const pingMs = await bus.ping();
    return { kind: "connected", pingMs, heard: await listen(bus, listenMs ?? LISTEN_MS) };
  } catch (error) {
    return { kind: "unreachable", reason: messageOf(error) };
  }
}

async function listen(bus: Bus, listenMs: number): Promise<HeardInstance[]> {
  const heard = new Map<string, HeardInstance>();
  const stopListening = bus.directory().onChange((instances) => {
    const nowMs = epochMs();
    for (const record of instances) {
      const before = heard.get(record.instanceId);
      if (before?.record.sentAtMs === record.sentAtMs) continue;
      const delayMs = Math.min(before?.delayMs ?? Infinity, nowMs - record.sentAtMs);
      heard.set(record.instanceId, { record, delayMs });
    }
  });
  await new Promise((resolve) => setTimeout(resolve, listenMs));
  stopListening();
  return [...heard.values()];
}
