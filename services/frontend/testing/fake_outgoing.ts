/** A connection's response that a test reads as a web response: a client that reads when it is asked to. */

import { Writable } from "node:stream";
import type { Outgoing } from "../event_stream.ts";

/** One byte: what was written waits until the client has read it. */
const HIGH_WATER_MARK = 1;

export class FakeOutgoing extends Writable {
  readonly #head = Promise.withResolvers<ResponseInit>();
  readonly #body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #read: (() => void) | null = null;

  constructor() {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        const read = this.#read;
        this.#read = null;
        read?.();
      },
      cancel: () => {
        this.destroy();
      },
    });
  }

  /** What the app wrote here, once its headers are. */
  async response(): Promise<Response> {
    return new Response(this.#body, await this.#head.promise);
  }

  writeHead: Outgoing["writeHead"] = (status: number, headers: unknown) => {
    this.#head.resolve({ status, headers: headers as HeadersInit });
    return this as unknown as ReturnType<Outgoing["writeHead"]>;
  };

  override _write(chunk: Uint8Array, _encoding: string, written: () => void): void {
    this.#read = written;
    this.#controller?.enqueue(new Uint8Array(chunk));
  }

  override _final(written: () => void): void {
    this.#controller?.close();
    written();
  }

  override _destroy(error: Error | null, written: (error: Error | null) => void): void {
    if (!this.writableFinished) this.#controller?.error(error ?? new Error("connection closed"));
    written(error);
  }
}
