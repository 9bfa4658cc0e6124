/**
 * One engine under measurement, in a process of its own.
 *
 * Peers speak one protocol, so that rounds can be interleaved with everything loaded once: a line of
 * JSON `{loadMs}` when loaded, then a `PeerResult` for each `PeerRequest` on standard input, each a line
 * of JSON.
 */

import { TextLineStream } from "@std/streams/text_line_stream.js";
import { memoryOf, type ProcessMemory } from "../process_usage.ts";

/** Greedy decoding of prompts of equal length, all at once, beyond any end token. */
export interface PeerRequest {
  readonly prompts: readonly (readonly number[])[];
  /** Tokens to generate for each prompt, at least 2. */
  readonly tokens: number;
}

export interface PeerResult {
  /** Prompt tokens until the first token is there. */
  readonly prefillTokensPerSecond: number;
  /** Tokens of all sequences while all of them decode, the first ones not counted. */
  readonly decodeTokensPerSecond: number;
  /** What was generated, for each prompt; empty where the peer does not tell. */
  readonly tokens: readonly (readonly number[])[];
}

export interface PeerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** How a peer came up. */
export interface PeerStart {
  /** By its own clock, without the start of the process. */
  readonly loadMs: number;
  /** From the start of the process until it takes requests. */
  readonly readyMs: number;
  readonly loadedBytes: number;
}

/** What `bench/engine` measures. */
export interface RunningPeer {
  /** Null for a peer that starts anew for each request. */
  readonly start: PeerStart | null;
  generate(request: PeerRequest): Promise<PeerResult>;
  /** The most memory that it held at once, bytes; NaN where the system does not tell. */
  peakBytes(): Promise<number>;
  close(): Promise<void>;
}

export class PeerProcess implements RunningPeer {
  readonly start: PeerStart;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(
    peer: PeerCommand,
    { start, child, lines }: {
      readonly start: PeerStart;
      readonly child: Deno.ChildProcess;
      readonly lines: ReadableStreamDefaultReader<string>;
    },
  ) {
    this.start = start;
    this.#name = peer.name;
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#lines = lines;
  }

  /** Starts the peer and waits until it is loaded. Throws where it ends before. */
  static async start(peer: PeerCommand): Promise<PeerProcess> {
    const startedAt = performance.now();
    const child = new Deno.Command(peer.command, {
      args: [...peer.args],
      env: { ...peer.env },
      ...(peer.cwd && { cwd: peer.cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream() as TransformStream<string, string>).getReader();
    const { loadMs } = await nextJson<{ loadMs: number }>(peer.name, lines);
    const readyMs = performance.now() - startedAt;
    const { residentBytes: loadedBytes } = await memoryOf(child.pid);
    return new PeerProcess(peer, { start: { loadMs, readyMs, loadedBytes }, child, lines });
  }

  async generate(request: PeerRequest): Promise<PeerResult> {
    await this.#input.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    return await nextJson<PeerResult>(this.#name, this.#lines);
  }

  async peakBytes(): Promise<number> {
    const memory: ProcessMemory = await memoryOf(this.#child.pid);
    return memory.peakBytes;
  }

  async close(): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#child.status;
  }
}

async function nextJson<T>(name: string, lines: ReadableStreamDefaultReader<string>): Promise<T> {
  while (true) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`Cannot measure ${name}: it ended early`);
    if (value.startsWith("{")) return JSON.parse(value);
  }
}
