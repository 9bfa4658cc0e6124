/**
 * The threads that run programs: the calling one, and Web Workers on the same memory.
 *
 * A launch wakes the workers; every thread then walks the whole program, meeting the others where an
 * operation needs the results of the last (`kernels/barrier.as`). Who waits spins while that pays and
 * then sleeps, so an idle pool uses no CPU and pools of several processes share cores. The calling
 * thread must be one that may block: not a browser's main thread.
 */

import { DeviceError } from "../backend.ts";
import { instantiateKernels, type Kernels } from "./kernel_module.ts";
import type { Program } from "./program.ts";
import type { MemoryPlan } from "./memory_plan.ts";

/** What a worker is started with. */
export interface PoolThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly thread: number;
}

/** What a worker says: that it waits for launches, then why it ends. */
export type PoolThreadMessage =
  | { readonly type: "ready" }
  | { readonly type: "closed" }
  | { readonly type: "failed"; readonly reason: string };

/** Words of the control block, as `kernels/barrier.as` has them. */
export const CONTROL = {
  launches: 0,
  threads: 1,
  hasFailed: 2,
  spins: 3,
  scratch: 4,
  scratchBytes: 5,
  program: 6,
  operations: 7,
  isClosing: 8,
  times: 9,
  arrived: 16,
  meetings: 32,
  sleepers: 48,
} as const;

/** Of the words above; behind them lies a line for each thread. */
const CONTROL_BYTES = 256;
const THREAD_LINE_BYTES = 64;
/** Least spins of a wait, a few microseconds. `kernels/barrier.as` says when a wait is longer. */
const LEAST_SPINS = 4_000;

export interface PoolLayout {
  readonly threads: number;
  readonly control: number;
  readonly scratch: number;
  readonly scratchBytes: number;
}

/** Reserves what `threads` threads need, `scratchBytes` each. */
export function planPool(
  memory: MemoryPlan,
  { threads, scratchBytes }: { readonly threads: number; readonly scratchBytes: number },
): PoolLayout {
  // A page each, so that threads share no cache line.
  const rounded = Math.ceil((scratchBytes + 64) / 4096) * 4096;
  return {
    threads,
    control: memory.reserve("activations", CONTROL_BYTES + threads * THREAD_LINE_BYTES),
    scratch: memory.reserve("activations", threads * rounded),
    scratchBytes: rounded,
  };
}

export class ThreadPool {
  readonly threads: number;
  readonly kernels: Kernels;
  /** Resolves when a thread fails, after which the pool is of no use. */
  readonly failed: Promise<DeviceError>;
  readonly #control: number;
  readonly #words: Uint32Array;
  readonly #workers: readonly Worker[];
  readonly #exits: readonly Promise<void>[];
  readonly #fail: (error: DeviceError) => void;

  private constructor(
    layout: PoolLayout,
    parts: {
      readonly kernels: Kernels;
      readonly words: Uint32Array;
      readonly workers: readonly Worker[];
    },
  ) {
    this.threads = layout.threads;
    this.kernels = parts.kernels;
    this.#control = layout.control;
    this.#words = parts.words;
    this.#workers = parts.workers;
    const { promise, resolve } = Promise.withResolvers<DeviceError>();
    this.failed = promise;
    this.#fail = resolve;
    this.#exits = parts.workers.map((worker) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      worker.onmessage = ({ data }: MessageEvent<PoolThreadMessage>) => {
        if (data.type === "failed") this.#fail(threadFailure(data.reason));
        resolve();
      };
      return promise;
    });
  }

  /** Starts the workers; resolves when all of them wait for a launch. */
  static async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    layout: PoolLayout,
  ): Promise<ThreadPool> {
    const { control, threads, scratch, scratchBytes } = layout;
    const words = controlWords(memory, control);
    words[CONTROL.threads] = threads;
    words[CONTROL.spins] = LEAST_SPINS;
    words[CONTROL.scratch] = scratch;
    words[CONTROL.scratchBytes] = scratchBytes;
    const workers: Worker[] = [];
    try {
      const ready = Array.from({ length: threads - 1 }, (_, i) => {
        const url = new URL("./pool_thread.ts", import.meta.url);
        const worker = new Worker(url, { type: "module", name: `baton-cpu-${i + 1}` });
        workers.push(worker);
        worker.postMessage({ module, memory, control, thread: i + 1 } satisfies PoolThreadStart);
        return untilReady(worker);
      });
      await Promise.all(ready);
    } catch (error) {
      for (const worker of workers) worker.terminate();
      throw error;
    }
    const kernels = instantiateKernels(module, memory);
    return new ThreadPool(layout, { kernels, words, workers });
  }

  /**
   * Runs a program on all threads, this one included. Throws a DeviceError when a thread failed.
   *
   * @param times address of a float64 for each operation: set to the time at which it was done
   */
  run({ address, count }: Program, times = 0): void {
    const words = this.#words;
    this.kernels.rewind(address, count);
    words[CONTROL.times] = times;
    if (this.threads > 1) {
      words[CONTROL.program] = address;
      words[CONTROL.operations] = count;
      Atomics.add(words, CONTROL.launches, 1);
      wake(words, CONTROL.launches);
    }
    try {
      this.kernels.run(this.#control, address, count, 0);
    } catch (error) {
      failPool(words);
      const failure = threadFailure(error instanceof Error ? error.message : String(error));
      this.#fail(failure);
      throw failure;
    }
  }

  /** Ends the workers. */
  async close(): Promise<void> {
    const words = this.#words;
    Atomics.store(words, CONTROL.isClosing, 1);
    Atomics.add(words, CONTROL.launches, 1);
    wake(words, CONTROL.launches);
    await Promise.all(this.#exits);
    for (const worker of this.#workers) worker.terminate();
  }
}

/** The words that `CONTROL` names, of the control block at `address`. */
export function controlWords(memory: WebAssembly.Memory, address: number): Uint32Array {
  return new Uint32Array(memory.buffer, address, CONTROL_BYTES / 4);
}

/** Ends a meeting to which the calling thread will not come. @param words of the control block */
export function failPool(words: Uint32Array): void {
  Atomics.store(words, CONTROL.hasFailed, 1);
  Atomics.add(words, CONTROL.meetings, 1);
  wake(words, CONTROL.meetings);
}

function wake(words: Uint32Array, word: number): void {
  Atomics.notify(new Int32Array(words.buffer), (words.byteOffset >> 2) + word);
}

function threadFailure(reason: string): DeviceError {
  return new DeviceError(`Cannot go on computing: a thread failed (${reason}); restart the worker`);
}

function untilReady(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new DeviceError(`Cannot start a CPU thread: ${event.message}`));
    };
  });
}
