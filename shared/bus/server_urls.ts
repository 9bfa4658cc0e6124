/** Reads `NATS_URL`: which servers, over which transport, with which credentials. */

export interface ServerUrls {
  readonly transport: "tcp" | "websocket";
  /** What the NATS client is given: `host:port`, or the whole URL for WebSockets. */
  readonly servers: readonly string[];
  /** A server that offers no TLS is refused. */
  readonly requiresTls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

const DEFAULT_TCP_PORT = 4222;

/**
 * Parses comma-separated `nats://`, `tls://`, `ws://` or `wss://` URLs. `user:password@` or `token@`
 * of the first URL that has them count for all. With `nats://` TLS follows the server's offer; one
 * `tls://` demands it of all. Throws a TypeError that never repeats the credentials.
 */
export function parseServerUrls(urls: string): ServerUrls {
  const parsed = urls.split(",").map((text) => text.trim()).filter(Boolean).map(parseUrl);
  const [first] = parsed;
  if (!first) throw new TypeError("Cannot read the NATS URL: it is empty");
  if (parsed.some((url) => isWebSocket(url) !== isWebSocket(first))) {
    throw new TypeError(
      "Cannot read the NATS URL: TCP (nats://, tls://) and WebSocket (ws://, wss://) servers cannot be mixed",
    );
  }
  const withUser = parsed.find((url) => url.username !== "");
  return {
    transport: isWebSocket(first) ? "websocket" : "tcp",
    servers: parsed.map(address),
    requiresTls: parsed.some((url) => url.protocol === "tls:"),
    ...(withUser ? credentials(withUser) : {}),
  };
}

function parseUrl(text: string): URL {
  const shown = text.replace(/\/\/[^@/]*@/, "//");
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `nats://${text}`);
  } catch {
    throw new TypeError(`Cannot read the NATS URL "${shown}": it is not a URL`);
  }
  if (!["nats:", "tls:", "ws:", "wss:"].includes(url.protocol)) {
    throw new TypeError(
      `Cannot read the NATS URL "${shown}": use nats://, tls://, ws:// or wss://`,
    );
  }
  if (url.hostname === "") {
    throw new TypeError(`Cannot read the NATS URL "${shown}": it names no host`);
  }
  return url;
}

function isWebSocket(url: URL): boolean {
  return url.protocol.startsWith("ws");
}

function address(url: URL): string {
  if (!isWebSocket(url)) return `${url.hostname}:${url.port || DEFAULT_TCP_PORT}`;
  return `${url.protocol}//${url.host}${url.pathname}${url.search}`;
}

function credentials(url: URL): Pick<ServerUrls, "user" | "password" | "token"> {
  const user = decodeURIComponent(url.username);
  return url.password === ""
    ? { token: user }
    : { user, password: decodeURIComponent(url.password) };
}
