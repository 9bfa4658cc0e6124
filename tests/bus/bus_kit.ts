/**
 * Buses on a test's server. They are patient, so that a machine that stands still for a moment ends no
 * call; those of a test that waits for a loss are watchful.
 */

import type { NatsConnection } from "@nats-io/nats-core";
import { type Bus, type BusOptions, connectBus } from "../../shared/bus/mod.ts";
import { openNatsConnection } from "../../shared/bus/nats_connection.ts";
import { endpointSubject, type InstanceRecord } from "../../shared/messages/mod.ts";
import { idleInstance } from "../../shared/messages/testing/idle_instance.ts";
import type { NatsServer } from "./nats_server_kit.ts";

export const NAMESPACE = "test";

/** Of a bus that is to notice a loss: silence of half a second is one. */
export const WATCHFUL = { keepaliveMs: 100, instanceTtlMs: 500 } as const;

export function connectTestBus(
  server: Pick<NatsServer, "url">,
  options: Partial<BusOptions> = {},
): Promise<Bus> {
  return connectBus({
    url: server.url,
    namespace: NAMESPACE,
    clientName: "test",
    connectTimeoutMs: 30_000,
    keepaliveMs: 1_000,
    heartbeatMs: 100,
    instanceTtlMs: 30_000,
    ...options,
  });
}

/** A NATS connection without a bus on it: somebody else on the same server. */
export function connectPlain(server: Pick<NatsServer, "url">): Promise<NatsConnection> {
  return openNatsConnection({ url: server.url, clientName: "plain", connectTimeoutMs: 30_000 });
}

export function generateSubject(instanceId: string): string {
  return endpointSubject(NAMESPACE, "decode", "generate", instanceId);
}

export function instanceRecord(instanceId: string): InstanceRecord {
  return idleInstance({ instanceId, namespace: NAMESPACE });
}
