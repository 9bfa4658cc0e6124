/**
 * Opens the NATS connection with the settings that a long-running service needs.
 *
 * - The client's default gives up for good after ten failed reconnections; this one never does.
 * - `waitOnFirstConnect` would wait without end, so the first connection is retried here, in time.
 * - Deno's own WebSocket client leaves Nagle's algorithm on, which holds token frames back by up to
 *   44 ms; npm `ws` turns it off, and so does `tcp_transport.ts`.
 * - A process uses one transport: the client keeps its choice in a global, and a reconnection takes
 *   whatever was chosen last.
 */

import {
  type ConnectionOptions,
  errors,
  type NatsConnection,
  NatsConnectionImpl,
  wsconnect,
} from "@nats-io/nats-core/internal";
import type { BusOptions } from "./bus.ts";
import { parseServerUrls, type ServerUrls } from "./server_urls.ts";
import { useTcpTransport } from "./tcp_transport.ts";

const ATTEMPT_TIMEOUT_MS = 5_000;
const RETRY_DELAY_MS = 200;
const RECONNECT_DELAY_MS = 250;
/** A server that hangs without closing its sockets is left after two missed pings. */
const SERVER_PING_INTERVAL_MS = 5_000;

/** Throws an Error that names the servers and the reason when the time is over. */
export async function openNatsConnection(
  options: Pick<BusOptions, "url" | "clientName" | "connectTimeoutMs">,
): Promise<NatsConnection> {
  const urls = parseServerUrls(options.url);
  const deadlineMs = performance.now() + options.connectTimeoutMs;
  let reason: unknown;
  while (true) {
    const remainingMs = deadlineMs - performance.now();
    const timeoutMs = Math.max(1, Math.min(remainingMs, ATTEMPT_TIMEOUT_MS));
    try {
      return await dial(urls, options.clientName, timeoutMs);
    } catch (error) {
      // An attempt that the end of the time cut short knows less than the one before it.
      const isCutShort = error instanceof errors.TimeoutError && timeoutMs < ATTEMPT_TIMEOUT_MS;
      if (!isCutShort) reason = error;
      const isRefused = error instanceof errors.AuthorizationError;
      if (isRefused || deadlineMs - performance.now() <= RETRY_DELAY_MS) {
        throw connectError(urls, options.connectTimeoutMs, reason ?? error);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
  }
}

async function dial(urls: ServerUrls, name: string, timeoutMs: number): Promise<NatsConnection> {
  const options: ConnectionOptions = {
    servers: [...urls.servers],
    name,
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_DELAY_MS,
    // Credentials that are wrong for a while (a rotation) must not end the service.
    ignoreAuthErrorAbort: true,
    pingInterval: SERVER_PING_INTERVAL_MS,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(urls.requiresTls ? { tls: {} } : {}),
    ...(urls.user === undefined ? {} : { user: urls.user, pass: urls.password ?? "" }),
    ...(urls.token === undefined ? {} : { token: urls.token }),
  };
  if (urls.transport === "tcp") {
    useTcpTransport();
    return await NatsConnectionImpl.connect(options);
  }
  const { WebSocket } = await import("ws");
  return await wsconnect({
    ...options,
    wsFactory: (url) =>
      Promise.resolve({ socket: new WebSocket(url), encrypted: url.startsWith("wss:") }),
  });
}

function connectError(urls: ServerUrls, timeoutMs: number, cause: unknown): Error {
  const servers = urls.servers.join(", ");
  if (cause instanceof errors.AuthorizationError) {
    return new Error(
      `Cannot connect to NATS at ${servers}: it refused the user and password of the URL`,
      { cause },
    );
  }
  const reason = cause instanceof Error && cause.message ? cause.message : String(cause);
  return new Error(`Cannot connect to NATS at ${servers} within ${timeoutMs} ms: ${reason}`, {
    cause,
  });
}
