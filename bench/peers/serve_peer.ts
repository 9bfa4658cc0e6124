/** The peers' end of the protocol of `bench/engine/peer_process.ts`, for those that run in Deno. */

import { TextLineStream } from "@std/streams/text_line_stream.js";
import type { PeerRequest, PeerResult } from "../engine/peer_process.ts";

/** Says that the peer is loaded, then answers one request after the other until input ends. */
export async function servePeer(
  loadMs: number,
  generate: (request: PeerRequest) => Promise<PeerResult>,
): Promise<void> {
  await print({ loadMs });
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream() as TransformStream<string, string>);
  for await (const line of lines) await print(await generate(JSON.parse(line)));
}

async function print(value: unknown): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(value) + "\n"));
}
