/**
 * An ordinary HTTP/1.1 client on a raw socket: one connection, one streamed completion at a time.
 *
 * It sets nothing on the socket that a usual client does not, and does little per byte, since it shares
 * the machine with what it measures.
 */

export interface StreamTimes {
  /** Request written to first event read. */
  readonly ttftMs: number;
  readonly totalMs: number;
  /** Mean time between tokens after the first. */
  readonly itlMs: number;
  /** Between the events as they were read; those read together have none between them. */
  readonly gapsMs: readonly number[];
  /** What the frontend itself says of the first token, in `Server-Timing`. */
  readonly ownTtftMs: number;
}

export interface StreamRequest {
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
}

const FIRST_EVENT = "data: {";
const END_OF_BODY = "\r\n0\r\n\r\n";

export class SseClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #host: string;
  readonly #buffer = new Uint8Array(64 * 1024);
  readonly #encoder = new TextEncoder();

  private constructor(connection: Deno.TcpConn, host: string) {
    this.#connection = connection;
    this.#host = host;
  }

  static async connect(url: string): Promise<SseClient> {
    const { hostname, port, host } = new URL(url);
    return new SseClient(await Deno.connect({ hostname, port: Number(port) }), host);
  }

  /** Streams one completion to its end. Throws an Error with the answer where it is not whole. */
  async stream({ model, prompt, maxTokens }: StreamRequest): Promise<StreamTimes> {
    const body = JSON.stringify({
      model,
      prompt,
      max_tokens: maxTokens,
      temperature: 0,
      ignore_eos: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    const request = this.#encoder.encode(
      `POST /v1/completions HTTP/1.1\r\nhost: ${this.#host}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const decoder = new TextDecoder();
    const startMs = performance.now();
    for (let sent = 0; sent < request.length;) {
      sent += await this.#connection.write(request.subarray(sent));
    }
    let firstMs = NaN;
    let lastMs = NaN;
    const gapsMs: number[] = [];
    let text = "";
    while (!text.endsWith(END_OF_BODY)) {
      const count = await this.#connection.read(this.#buffer);
      if (count === null) throw new Error(`The connection closed after: ${text}`);
      const nowMs = performance.now();
      text += decoder.decode(this.#buffer.subarray(0, count), { stream: true });
      if (!Number.isNaN(firstMs)) gapsMs.push(nowMs - lastMs);
      else if (text.includes(FIRST_EVENT)) firstMs = nowMs;
      lastMs = nowMs;
    }
    const endMs = performance.now();
    if (!text.includes(`"completion_tokens":${maxTokens}`)) {
      throw new Error(`Cannot measure: the answer is not of ${maxTokens} tokens: ${text}`);
    }
    return {
      ttftMs: firstMs - startMs,
      totalMs: endMs - startMs,
      itlMs: (endMs - firstMs) / (maxTokens - 1),
      gapsMs,
      ownTtftMs: Number(/server-timing:.*?\bttft;dur=([\d.]+)/i.exec(text)?.[1] ?? NaN),
    };
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
