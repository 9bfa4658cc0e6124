/**
 * Registers an endpoint with the NATS services framework, so that `nats micro ls`, `info` and
 * `stats` show it. Calls do not pass through it: the framework knows requests with one answer and
 * times only those. Its one endpoint, `<subject>.status`, answers with the same counts as the
 * statistics, for a probe by hand: `nats request dyn.<...>.status ''`.
 */

import { type Service, Svcm } from "@nats-io/services";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Endpoint, Role } from "../messages/mod.ts";
import type { CallCounts } from "./call_server.ts";

/** Version of the protocol of calls, heartbeats and transfers. */
const BUS_VERSION = "1.0.0";

export interface MicroServiceOptions {
  readonly namespace: string;
  readonly role: Role;
  readonly endpoint: Endpoint;
  readonly instanceId: string;
  readonly subject: string;
  readonly counts: () => CallCounts;
}

/** Returns a function that takes the service off again. */
export function addMicroService(
  connection: NatsConnection,
  options: MicroServiceOptions,
): () => void {
  const { namespace, role, endpoint, instanceId, subject, counts } = options;
  let isStopped = false;
  let service: Service | undefined;
  async function add(): Promise<void> {
    service = await new Svcm(connection).add({
      name: `baton-${role}-${endpoint}`,
      version: BUS_VERSION,
      description: `Streaming calls on ${subject}`,
      metadata: { namespace, instance: instanceId, subject },
      statsHandler: () => Promise.resolve(counts()),
      queue: "",
    });
    service.addEndpoint("status", {
      subject: `${subject}.status`,
      handler: (_error, message) => message.respond(JSON.stringify(counts())),
    });
    if (isStopped) await service.stop();
  }
  // Registration fails only when the connection closes under it, and then there is no service.
  void add().catch(() => {});
  return () => {
    isStopped = true;
    // A connection that closed has taken the service with it.
    void service?.stop().catch(() => {});
  };
}
