/** Starts `peer_process.ts` and ends it the hard way. */

import { denoRun, Program } from "../kit/program.ts";
import type { PeerTask } from "./peer_process.ts";

export interface Peer extends AsyncDisposable {
  /** Resolves when the peer has its bus, and begins. */
  readonly connected: Promise<unknown>;
  /** Resolves when the peer is under way. */
  readonly ready: Promise<unknown>;
  kill(): Promise<void>;
  freeze(): void;
}

export function startPeer(url: string, task: PeerTask, subject: string): Peer {
  const program = new Program(denoRun("tests/bus/peer_process.ts", url, task, subject));
  const said = (line: RegExp) => {
    const come = program.waitForOutput(line);
    come.catch(() => {});
    return come;
  };
  const kill = () => program[Symbol.asyncDispose]();
  return {
    connected: said(/^connected$/m),
    ready: said(/^ready$/m),
    kill,
    freeze: () => program.signal("SIGSTOP"),
    [Symbol.asyncDispose]: kill,
  };
}
