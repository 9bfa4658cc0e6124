/**
 * NATS of a start: the servers that NATS_URL names, else one of its own, whose configuration is
 * nats_server.conf.
 */

import { fromFileUrl } from "@std/path/mod.js";
import { openNatsConnection } from "../../shared/bus/nats_connection.ts";
import { ServicePort } from "./ports.ts";
import { greetsAsNats } from "./readiness.ts";
import { denoRun } from "./service_plan.ts";
import type { ServiceSpec } from "./supervised_service.ts";

/** Time nats-server gets to end by itself; it has nothing to save. */
const GRACE_MS = 2_000;
const PREFERRED_PORT = 4222;
const LOCALHOST = "127.0.0.1";
/** Whoever starts both may start this first. */
const REACH_TIMEOUT_MS = 15_000;

export interface NatsPlan {
  /** Settled once the server is ready: until then it may take another port. */
  readonly url: string;
  readonly spec: ServiceSpec;
}

/**
 * A server on a free port of this machine. It counts as ready only by its name: another start may have
 * taken the port in the same moment, and two of them must not share a bus.
 */
export function planNatsServer(program: string): NatsPlan {
  const port = new ServicePort(LOCALHOST, PREFERRED_PORT);
  const serverName = `baton-${crypto.randomUUID()}`;
  let wasReady = false;
  return {
    get url() {
      return `nats://${LOCALHOST}:${port.port}`;
    },
    spec: {
      name: "nats",
      command: [
        ...denoRun(pathOf("../../shared/provision/run_with_parent.ts")),
        String(GRACE_MS),
        program,
        "--config",
        pathOf("./nats_server.conf"),
      ],
      env: () => ({
        BATON_NATS_NAME: serverName,
        // The others hold on to the port of one that was ready.
        BATON_NATS_PORT: String(wasReady ? port.port : port.take()),
      }),
      async isReady() {
        wasReady ||= await greetsAsNats({ hostname: LOCALHOST, port: port.port }, serverName);
        return wasReady;
      },
    },
  };
}

/** Resolves when a server of NATS_URL answers. Throws an Error that says what to change. */
export async function reachNats(url: string, timeoutMs = REACH_TIMEOUT_MS): Promise<void> {
  const options = { url, clientName: "baton-start", connectTimeoutMs: timeoutMs };
  try {
    const connection = await openNatsConnection(options);
    await connection.close();
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Error(`${reason}; correct NATS_URL, or unset it and start runs its own server`);
  }
}

function pathOf(relative: string): string {
  return fromFileUrl(new URL(relative, import.meta.url));
}
