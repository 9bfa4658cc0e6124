/**
 * The engine thread's loop: receive commands, schedule, step, report.
 *
 * Commands are applied between steps only, so the state that a step was scheduled on does not change
 * under it. One report leaves after each step. KV of `prefill` sequences is read after that report, in
 * pieces, so the first token leaves before the last KV byte is read, and no read needs more than
 * MAX_READ_BYTES. An idle loop waits for a command, and ends when the device fails meanwhile.
 *
 * A call that one sequence got wrong fails that sequence. Any other error fails all of them and ends the
 * loop: nothing is known of the device's state after it.
 */

import { Scheduler, SequenceStateError } from "../scheduler/scheduler.ts";
import { Sequence } from "../scheduler/sequence.ts";
import type { Batch } from "../scheduler/batch.ts";
import type { Backend, DeviceError } from "../engine/backend.ts";
import type { EngineLoad, KvCopy, SequenceEvent, SequenceJob } from "../engine/engine.ts";
import { sliceEvents, toSequenceSlice } from "./slice_events.ts";
import type { StepMark } from "./step_mark.ts";
import type { AddressedEvent, EngineCommand, EngineReport } from "./thread_messages.ts";

/** Bounds the memory of one read of KV blocks, and lets the transfer start before all is read. */
const MAX_READ_BYTES = 16 * 2 ** 20;

export interface StepLoopOptions {
  readonly maxBatchTokens: number;
  readonly maxSequences: number;
  readonly queueLimit: number;
  /** Sends a report to the main thread; buffers in `transfer` may move. */
  readonly post: (report: EngineReport, transfer: ArrayBuffer[]) => void;
  /** Lets the commands in that were sent so far. */
  readonly takeTurn: () => Promise<void>;
  readonly stepMark: StepMark;
  /** Epoch milliseconds with fractions. */
  readonly now: () => number;
}

/** A sequence that has not ended, and what the loop knows of it beyond its schedule. */
interface LiveSequence {
  readonly sequence: Sequence;
  exportedBlocks: number;
}

export class StepLoop {
  readonly #backend: Backend;
  readonly #options: StepLoopOptions;
  readonly #scheduler: Scheduler;
  readonly #live = new Map<string, LiveSequence>();
  #commands: EngineCommand[] = [];
  #wake: (() => void) | null = null;
  #events: AddressedEvent[] = [];
  #kvCopies: KvCopy[] = [];
  #isLoadStale = false;
  #deviceFailure: DeviceError | null = null;
  #isClosing = false;
  #steps = 0;

  constructor(backend: Backend, options: StepLoopOptions) {
    this.#backend = backend;
    this.#options = options;
    backend.failed.then((failure) => {
      this.#deviceFailure = failure;
      this.#wake?.();
    });
    this.#scheduler = new Scheduler({
      totalBlocks: backend.limits.totalBlocks,
      contextLength: backend.shape.contextLength,
      maxBatchTokens: options.maxBatchTokens,
      maxSequences: options.maxSequences,
      queueLimit: options.queueLimit,
    });
  }

  get load(): EngineLoad {
    return this.#scheduler.load;
  }

  /** Takes a command; it is applied before the next step. */
  receive(command: EngineCommand): void {
    this.#commands.push(command);
    this.#wake?.();
  }

  /** Runs until a `close` command. Rejects when the device or the loop itself fails. */
  async run(): Promise<void> {
    try {
      while (true) {
        await this.#options.takeTurn();
        if (this.#deviceFailure !== null) throw this.#deviceFailure;
        this.#applyCommands();
        if (this.#isClosing) break;
        const batch = this.#scheduler.schedule();
        this.#reportSchedule(batch);
        this.#flush();
        if (batch.slices.length > 0) await this.#runStep(batch);
        else if (batch.preempted.length === 0) await this.#commandOrFailure();
      }
      this.#failAll("The engine was closed");
    } catch (error) {
      this.#failAll(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  async #commandOrFailure(): Promise<void> {
    if (this.#commands.length > 0 || this.#deviceFailure !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = null;
  }

  #applyCommands(): void {
    const commands = this.#commands;
    this.#commands = [];
    for (const command of commands) {
      if (command.type === "submit") this.#submit(command.job);
      else if (command.type === "close") this.#isClosing = true;
      else {
        const live = this.#live.get(command.sequenceId);
        // A sequence that ended meanwhile: its owner does not know yet.
        if (live !== undefined) this.#applyTo(live, command);
      }
    }
    this.#isLoadStale ||= commands.length > 0;
  }

  #submit(job: SequenceJob): void {
    const sequence = new Sequence(job);
    const refusal = this.#scheduler.add(sequence);
    if (refusal === null) {
      this.#live.set(job.sequenceId, { sequence, exportedBlocks: 0 });
    } else {
      this.#events.push({ sequenceId: job.sequenceId, event: { type: "failed", ...refusal } });
    }
  }

  #applyTo(
    live: LiveSequence,
    command: Extract<EngineCommand, { readonly sequenceId: string }>,
  ): void {
    try {
      switch (command.type) {
        case "import":
          return this.#importKv(live, command);
        case "begin":
          this.#scheduler.begin(live.sequence, command.firstToken);
          return this.#finishIfDone(live);
        case "cancel":
          return this.#finish(live, "cancelled");
      }
    } catch (error) {
      if (!(error instanceof SequenceStateError)) throw error;
      this.#emit(live, { type: "failed", code: "engine_failed", message: error.message });
      this.#forget(live);
    }
  }

  #importKv(live: LiveSequence, command: Extract<EngineCommand, { readonly type: "import" }>) {
    const { firstBlock, data } = command;
    const { blockBytes } = this.#backend.kv;
    if (data.length % blockBytes !== 0) {
      throw new SequenceStateError(
        `Cannot import KV into "${command.sequenceId}": ${data.length} bytes are not whole blocks of ${blockBytes}`,
      );
    }
    const { skippedBlocks, blocks } = this.#scheduler.placeImport(
      live.sequence,
      firstBlock,
      data.length / blockBytes,
    );
    if (blocks.length === 0) return;
    const startMs = this.#options.now();
    this.#backend.writeBlocks(blocks, data.subarray(skippedBlocks * blockBytes));
    this.#noteCopy(live, "import", startMs);
  }

  #reportSchedule(batch: Batch): void {
    const atMs = this.#options.now();
    for (const { sequence, by } of batch.preempted) {
      const bySequenceId = by.job.sequenceId;
      this.#emit(this.#liveOf(sequence), { type: "preempted", atMs, bySequenceId });
    }
    for (const sequence of batch.admitted) {
      if (sequence.reservations > 1) continue;
      const { cachedTokens } = sequence;
      this.#emit(this.#liveOf(sequence), { type: "scheduled", atMs, cachedTokens });
    }
  }

  async #runStep(batch: Batch): Promise<void> {
    const step = this.#steps++;
    const kvCopies = this.#kvCopies;
    this.#kvCopies = [];
    const startMs = this.#options.now();
    this.#options.stepMark.begin(startMs);
    const timePasses = batch.slices.some(({ sequence }) => sequence.job.timePasses === true);
    const result = await this.#backend.step(batch.slices.map(toSequenceSlice), { timePasses });
    const endMs = this.#options.now();
    this.#scheduler.commit(batch, result.slices.map(({ token }) => token));

    const { passes, deviceTimeNs } = result;
    const deviceMs = deviceTimeNs === undefined ? undefined : deviceTimeNs / 1e6;
    const rowMs = (deviceMs ?? endMs - startMs) / batch.rows;
    const run = { step, startMs, endMs, batchRows: batch.rows, rowMs };
    const exporting: LiveSequence[] = [];
    for (const slice of batch.slices) {
      const live = this.#liveOf(slice.sequence);
      for (const event of sliceEvents(slice, run)) this.#emit(live, event);
      if (slice.sequence.job.kind === "prefill") exporting.push(live);
      else this.#finishIfDone(live);
    }
    const { prefillRows, decodeRows } = batch;
    this.#flush({ step, startMs, endMs, deviceMs, prefillRows, decodeRows, kvCopies, passes });
    for (const live of exporting) await this.#exportKv(live);
    this.#options.stepMark.end();
  }

  /** Posts the KV of prompt blocks that became whole, cached ones first; then the end. */
  async #exportKv(live: LiveSequence): Promise<void> {
    const { sequence } = live;
    const maxBlocks = Math.max(1, Math.floor(MAX_READ_BYTES / this.#backend.kv.blockBytes));
    while (live.exportedBlocks < sequence.computedPromptBlocks) {
      const firstBlock = live.exportedBlocks;
      const end = Math.min(sequence.computedPromptBlocks, firstBlock + maxBlocks);
      const startMs = this.#options.now();
      const data = await this.#backend.readBlocks(sequence.blockTable.slice(firstBlock, end));
      this.#noteCopy(live, "export", startMs);
      live.exportedBlocks = end;
      this.#emit(live, { type: "kv", firstBlock, blocks: end - firstBlock, data });
      this.#flush();
    }
    this.#finishIfDone(live);
  }

  #noteCopy(live: LiveSequence, direction: KvCopy["direction"], startMs: number): void {
    const { sequenceId } = live.sequence.job;
    const durationMs = this.#options.now() - startMs;
    this.#kvCopies.push({ sequenceId, direction, durationMs });
  }

  #finishIfDone(live: LiveSequence): void {
    const { finishReason } = live.sequence;
    if (finishReason !== null) this.#finish(live, finishReason);
  }

  #finish(live: LiveSequence, reason: "stop" | "length" | "cancelled"): void {
    this.#emit(live, { type: "finished", reason });
    this.#forget(live);
  }

  #forget(live: LiveSequence): void {
    this.#live.delete(live.sequence.job.sequenceId);
    this.#scheduler.remove(live.sequence);
    this.#isLoadStale = true;
    // Nobody is left who waited for them, and a step to report them with may never come.
    if (this.#live.size === 0) this.#kvCopies = [];
  }

  #failAll(message: string): void {
    for (const live of [...this.#live.values()]) {
      this.#emit(live, { type: "failed", code: "engine_failed", message });
      this.#forget(live);
    }
    this.#flush();
  }

  #liveOf(sequence: Sequence): LiveSequence {
    const live = this.#live.get(sequence.job.sequenceId);
    if (live === undefined) {
      throw new Error(`Cannot report on "${sequence.job.sequenceId}": it has ended`);
    }
    return live;
  }

  #emit(live: LiveSequence, event: SequenceEvent): void {
    this.#events.push({ sequenceId: live.sequence.job.sequenceId, event });
  }

  /** Posts what has happened since the last report, if anything has. */
  #flush(step?: EngineReport["step"]): void {
    if (this.#events.length === 0 && !this.#isLoadStale && step === undefined) return;
    const events = this.#events;
    this.#events = [];
    this.#isLoadStale = false;
    const transfer = events.flatMap(({ event }) => event.type === "kv" ? [event.data.buffer] : []);
    this.#options.post({ type: "report", events, load: this.load, step }, transfer);
  }
}
