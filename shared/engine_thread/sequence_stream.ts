/** The main thread's end of a sequence: an unbounded queue of events and the commands back. */

import type { EngineSequence, SequenceEvent } from "../engine/engine.ts";

export interface SequenceCommands {
  importKv(firstBlock: number, data: Uint8Array<ArrayBuffer>): void;
  begin(firstToken: number): void;
  cancel(): void;
}

export class SequenceStream implements EngineSequence {
  readonly #commands: SequenceCommands;
  readonly #events: SequenceEvent[] = [];
  #wake: (() => void) | null = null;
  #hasEnded = false;
  #isIterated = false;

  constructor(commands: SequenceCommands) {
    this.#commands = commands;
  }

  /** Adds an event. What comes after the last event is dropped. */
  push(event: SequenceEvent): void {
    if (this.#hasEnded) return;
    this.#events.push(event);
    this.#hasEnded = event.type === "finished" || event.type === "failed";
    this.#wake?.();
  }

  importKv(firstBlock: number, data: Uint8Array<ArrayBuffer>): void {
    if (!this.#hasEnded) this.#commands.importKv(firstBlock, data);
  }

  begin(firstToken: number): void {
    if (!this.#hasEnded) this.#commands.begin(firstToken);
  }

  cancel(): void {
    if (!this.#hasEnded) this.#commands.cancel();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SequenceEvent, void> {
    if (this.#isIterated) throw new TypeError("Cannot iterate a sequence twice");
    this.#isIterated = true;
    try {
      while (!this.#hasEnded || this.#events.length > 0) {
        const event = this.#events.shift();
        if (event !== undefined) yield event;
        else await this.#pushed();
      }
    } finally {
      this.cancel();
    }
  }

  async #pushed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = null;
  }
}
