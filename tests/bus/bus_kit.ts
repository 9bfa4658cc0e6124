/** Buses on a test's server, with liveness checks short enough to watch. */

import type { NatsConnection } from "@nats-io/nats-core";
import { type Bus, type BusOptions, connectBus } from "../../shared/bus/mod.ts";
import { openNatsConnection } from "../../shared/bus/nats_connection.ts";
import { endpointSubject, type InstanceRecord } from "../../shared/messages/mod.ts";
import { idleInstance } from "../../shared/messages/testing/idle_instance.ts";
import type { NatsServer } from "./nats_server_kit.ts";

export const NAMESPACE = "test";

/** Period of the liveness checks in these tests. */
export const KEEPALIVE_MS = 100;

export function connectTestBus(
  server: Pick<NatsServer, "url">,
  options: Partial<BusOptions> = {},
): Promise<Bus> {
  return connectBus({
    url: server.url,
    namespace: NAMESPACE,
    clientName: "test",
    connectTimeoutMs: 5_000,
    keepaliveMs: KEEPALIVE_MS,
    heartbeatMs: 100,
    instanceTtlMs: 500,
    ...options,
  });
}

/** A NATS connection without a bus on it: somebody else on the same server. */
export function connectPlain(server: Pick<NatsServer, "url">): Promise<NatsConnection> {
  return openNatsConnection({ url: server.url, clientName: "plain", connectTimeoutMs: 5_000 });
}

export function generateSubject(instanceId: string): string {
  return endpointSubject(NAMESPACE, "decode", "generate", instanceId);
}

export function instanceRecord(instanceId: string): InstanceRecord {
  return idleInstance({ instanceId, namespace: NAMESPACE });
}
