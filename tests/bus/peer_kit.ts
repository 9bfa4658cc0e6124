/** Starts `peer_process.ts` and ends it the hard way. */

import type { PeerTask } from "./peer_process.ts";

export interface Peer extends AsyncDisposable {
  /** Resolves when the peer is under way. */
  readonly ready: Promise<void>;
  kill(): Promise<void>;
  freeze(): void;
}

export function startPeer(url: string, task: PeerTask, subject: string): Peer {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./peer_process.ts", import.meta.url).href, url, task, subject],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let isAlive = true;
  async function kill(): Promise<void> {
    if (!isAlive) return;
    isAlive = false;
    process.kill("SIGKILL");
    await process.status;
  }
  const ready = firstLine(process.stdout);
  ready.catch(() => {});
  return {
    ready,
    kill,
    freeze: () => process.kill("SIGSTOP"),
    [Symbol.asyncDispose]: kill,
  };
}

async function firstLine(output: ReadableStream<Uint8Array>): Promise<void> {
  const reader = output.getReader();
  const { done } = await reader.read();
  if (done) throw new Error("The peer process ended before it was under way");
  void reader.cancel();
}
