/**
 * One engine under measurement, in a process of its own.
 *
 * Peers speak one protocol, so that rounds can be interleaved with everything loaded once: a line of
 * JSON `{loadMs}` when loaded, then a `PeerResult` for each `PeerRequest` on standard input, each a line
 * of JSON.
 */

import { TextLineStream } from "@std/streams/text_line_stream.js";

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
  /** What was generated, for each prompt. */
  readonly tokens: readonly (readonly number[])[];
}

export interface PeerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export class PeerProcess {
  readonly name: string;
  readonly loadMs: number;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(
    name: string,
    loadMs: number,
    child: Deno.ChildProcess,
    lines: ReadableStreamDefaultReader<string>,
  ) {
    this.name = name;
    this.loadMs = loadMs;
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#lines = lines;
  }

  /** Starts the peer and waits until it is loaded. Throws with its last words when it ends before. */
  static async start(peer: PeerCommand): Promise<PeerProcess> {
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
    return new PeerProcess(peer.name, loadMs, child, lines);
  }

  async generate(request: PeerRequest): Promise<PeerResult> {
    await this.#input.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    return await nextJson<PeerResult>(this.name, this.#lines);
  }

  /** The most memory that the process held, bytes; null where the system does not tell. */
  async peakBytes(): Promise<number | null> {
    try {
      const status = await Deno.readTextFile(`/proc/${this.#child.pid}/status`);
      const kib = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
      return kib === undefined ? null : Number(kib) * 1024;
    } catch {
      return null;
    }
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
