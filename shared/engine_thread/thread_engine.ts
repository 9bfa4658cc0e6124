/**
 * The engine on the main thread: it addresses commands and events, and holds no state of the model.
 *
 * When the thread ends, however it ends, every sequence gets its last event and `closed` resolves.
 */

import type {
  Engine,
  EngineInfo,
  EngineLoad,
  EngineSequence,
  SequenceJob,
  StepMember,
  StepReport,
} from "../engine/engine.ts";
import { checkJob, isTokenId } from "./check_job.ts";
import type { CommandCounter } from "./command_counter.ts";
import { SequenceStream } from "./sequence_stream.ts";
import type { StepMark } from "./step_mark.ts";
import type { AddressedEvent, EngineCommand, EngineMessage } from "./thread_messages.ts";
import { threadError } from "./thread_error.ts";

/** How long a close waits for the step in progress before the thread is ended without it. */
const CLOSE_TIMEOUT_MS = 5_000;

/** What the engine needs of a Worker. */
export interface EngineThread {
  postMessage(message: EngineCommand, transfer: ArrayBuffer[]): void;
  terminate(): void;
}

export interface ThreadEngineOptions {
  readonly thread: EngineThread;
  readonly commandCounter: CommandCounter;
  readonly stepMark: StepMark;
  readonly info: EngineInfo;
  readonly load: EngineLoad;
  readonly onStep?: (report: StepReport) => void;
}

export class ThreadEngine implements Engine {
  readonly info: EngineInfo;
  readonly closed: Promise<Error | null>;
  readonly #thread: EngineThread;
  readonly #commandCounter: CommandCounter;
  readonly #stepMark: StepMark;
  readonly #onStep?: (report: StepReport) => void;
  readonly #resolveClosed: (reason: Error | null) => void;
  readonly #sequences = new Map<string, SequenceStream>();
  #load: EngineLoad;
  /** Why new sequences are not taken; null while they are. */
  #endReason: string | null = null;

  constructor(options: ThreadEngineOptions) {
    this.info = options.info;
    this.#load = options.load;
    this.#thread = options.thread;
    this.#commandCounter = options.commandCounter;
    this.#stepMark = options.stepMark;
    this.#onStep = options.onStep;
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get load(): EngineLoad {
    return this.#load;
  }

  get stepStartedAtMs(): number | null {
    return this.#endReason === null ? this.#stepMark.startedAtMs : null;
  }

  submit(job: SequenceJob): EngineSequence {
    checkJob(job, this.info.shape);
    const { sequenceId } = job;
    if (this.#sequences.has(sequenceId)) {
      throw new RangeError(`Cannot submit sequence "${sequenceId}": one with this id is live`);
    }
    const stream = new SequenceStream({
      importKv: (firstBlock, data) =>
        this.#send({ type: "import", sequenceId, firstBlock, data }, [data.buffer]),
      begin: (firstToken) => {
        if (!isTokenId(firstToken, this.info.shape)) {
          throw new RangeError(
            `Cannot begin sequence "${sequenceId}": token id ${firstToken} is outside the ` +
              `vocabulary of ${this.info.shape.vocab}`,
          );
        }
        this.#send({ type: "begin", sequenceId, firstToken });
      },
      cancel: () => this.#send({ type: "cancel", sequenceId }),
    });
    if (this.#endReason !== null) {
      stream.push({ type: "failed", code: "engine_failed", message: this.#endReason });
      return stream;
    }
    this.#sequences.set(sequenceId, stream);
    this.#send({ type: "submit", job });
    return stream;
  }

  /** Takes a message of the thread. */
  receive(message: EngineMessage): void {
    switch (message.type) {
      case "report": {
        this.#load = message.load;
        for (const { sequenceId, event } of message.events) {
          this.#sequences.get(sequenceId)?.push(event);
          if (event.type === "finished" || event.type === "failed") {
            this.#sequences.delete(sequenceId);
          }
        }
        if (message.step !== undefined) {
          this.#onStep?.({ ...message.step, members: membersOf(message.events) });
        }
        return;
      }
      case "failed":
        return this.end(threadError(message));
      case "closed":
        return this.end(null);
      case "output":
      case "start_thread":
      case "progress":
      case "ready":
        throw new Error(`Cannot take "${message.type}" of an engine thread that is open`);
    }
  }

  /** Ends the engine, for a reason or because it was closed. */
  end(reason: Error | null): void {
    this.#endReason ??= reason?.message ?? "The engine was closed";
    for (const stream of this.#sequences.values()) {
      stream.push({ type: "failed", code: "engine_failed", message: this.#endReason });
    }
    this.#sequences.clear();
    this.#thread.terminate();
    this.#resolveClosed(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#endReason === null) {
      this.#send({ type: "close" });
      this.#endReason = "The engine was closed";
    }
    const timer = setTimeout(() => this.end(null), CLOSE_TIMEOUT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  #send(command: EngineCommand, transfer: ArrayBuffer[] = []): void {
    if (this.#endReason !== null) return;
    this.#thread.postMessage(command, transfer);
    this.#commandCounter.add();
  }
}

/** The members of the step that a report tells of: a sampled chunk has a token too. */
function membersOf(events: readonly AddressedEvent[]): StepMember[] {
  const members: StepMember[] = [];
  for (const { sequenceId, event } of events) {
    if (event.type === "chunk") {
      members.push({ sequenceId, rows: event.tokens, isDecode: false });
    } else if (event.type === "token" && members.at(-1)?.sequenceId !== sequenceId) {
      members.push({ sequenceId, rows: 1, isDecode: true });
    }
  }
  return members;
}
