/** llama.cpp's own bench program: a process for each request, which loads the model anew. */

import { memoryOf } from "../process_usage.ts";
import type { PeerCommand, PeerRequest, PeerResult, RunningPeer } from "./peer_process.ts";

const MEMORY_POLL_MS = 20;

/** A line of its output; tokens a second. */
interface BenchLine {
  readonly speed_pp: number;
  readonly speed_tg: number;
}

export class LlamaBench implements RunningPeer {
  readonly start = null;
  readonly #peer: PeerCommand;
  #peakBytes = 0;

  constructor(peer: PeerCommand) {
    this.#peer = peer;
  }

  /** It makes up prompts itself. Each is measured twice, and only the second time counts. */
  async generate({ prompts, tokens }: PeerRequest): Promise<PeerResult> {
    const { name, command, args } = this.#peer;
    const length = prompts[0]?.length ?? 0;
    const child = new Deno.Command(command, {
      args: [
        ...args,
        ...["-npp", `${length},${length}`, "-ntg", String(tokens - 1)],
        ...["-npl", String(prompts.length), "--output-format", "jsonl"],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const poll = setInterval(async () => {
      const { peakBytes } = await memoryOf(child.pid);
      if (peakBytes > this.#peakBytes) this.#peakBytes = peakBytes;
    }, MEMORY_POLL_MS);
    try {
      const { success, stdout, stderr } = await child.output();
      const lines = new TextDecoder().decode(stdout).split("\n").filter((it) => it.startsWith("{"));
      const last = lines.at(-1);
      if (!success || last === undefined) {
        const reason = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
        throw new Error(`Cannot measure ${name}: ${reason}`);
      }
      const { speed_pp, speed_tg }: BenchLine = JSON.parse(last);
      return { prefillTokensPerSecond: speed_pp, decodeTokensPerSecond: speed_tg, tokens: [] };
    } finally {
      clearInterval(poll);
    }
  }

  async peakBytes(): Promise<number> {
    return this.#peakBytes > 0 ? this.#peakBytes : NaN;
  }

  async close(): Promise<void> {}
}
