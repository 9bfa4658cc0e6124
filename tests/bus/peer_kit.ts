/** Starts `peer_process.ts` and ends it the hard way. */

import { denoRun, Program } from "../kit/program.ts";
import type { PeerTask } from "./peer_process.ts";

export interface Peer extends AsyncDisposable {
  /** Resolves when the peer is under way. */
  readonly ready: Promise<unknown>;
  kill(): Promise<void>;
  freeze(): void;
}

export function startPeer(url: string, task: PeerTask, subject: string): Peer {
  const program = new Program(denoRun("tests/bus/peer_process.ts", url, task, subject));
  const ready = program.waitForOutput(/^ready$/m);
  ready.catch(() => {});
  const kill = () => program[Symbol.asyncDispose]();
  return {
    ready,
    kill,
    freeze: () => program.signal("SIGSTOP"),
    [Symbol.asyncDispose]: kill,
  };
}
