/** A frontend on a fake bus behind its real server, and connections to it without a client library. */

import { type FrontendServer, serveFrontend } from "../server.ts";
import { FrontendKit, type FrontendKitOptions } from "./frontend_kit.ts";

const HOST = "127.0.0.1";

export interface ServedOptions extends FrontendKitOptions {
  readonly silenceMs?: number;
}

export interface Served {
  readonly kit: FrontendKit;
  readonly server: FrontendServer;
  readonly url: string;
}

export async function serve({ silenceMs = 60_000, ...options }: ServedOptions = {}): Promise<
  Served
> {
  const kit = await FrontendKit.start(options);
  const server = await serveFrontend(kit.frontend, { hostname: HOST, port: 0, silenceMs });
  return { kit, server, url: `http://${HOST}:${server.port}` };
}

export async function connect({ server }: Served): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: HOST, port: server.port });
}

/** The bytes of a completion request. */
export function completionBytes(body: Record<string, unknown>): Uint8Array {
  const text = JSON.stringify({ model: "tiny", prompt: "Hi", ...body });
  const head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\n" +
    `content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`;
  return new TextEncoder().encode(head + text);
}
