/**
 * Listens with node:http, for servers that must notice a client leaving before its answer began
 * (docs/design/2026-11-http-server.md).
 */

import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { HttpServerOptions } from "./http_server.ts";

/** Resolves with the port. Rejects with an Error that says what to change when it cannot be had. */
export async function listenHttp(
  server: Server,
  { hostname, port, settings }: HttpServerOptions,
): Promise<number> {
  server.listen(port, hostname);
  try {
    await once(server, "listening");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot listen on ${hostname}:${port}: ${reason}; set ${settings}`, { cause });
  }
  return (server.address() as AddressInfo).port;
}
