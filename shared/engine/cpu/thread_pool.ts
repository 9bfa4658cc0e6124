/**
 * The threads that run programs: the calling one, and Web Workers on the same memory.
 *
 * A launch wakes the others; every thread then walks the whole program, meeting the others where an
 * operation needs the results of the last (`kernels/barrier.as`). Who waits spins while that pays and
 * then sleeps, so an idle pool uses no CPU and pools of several processes share cores. The calling
 * thread must be one that may block: not a browser's main thread.
 */

import { DeviceError } from "../backend.ts";
import { instantiateKernels, type Kernels } from "./kernel_module.ts";
import type { MemoryPlan } from "./memory_plan.ts";
import { closePool, CONTROL, CONTROL_BYTES, controlWords, failPool } from "./pool_control.ts";
import type { Program } from "./program.ts";
import {
  type PoolThreadMessage,
  type PoolThreadRequest,
  type PoolThreadStart,
  startPoolThread,
} from "./start_pool_thread.ts";

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

export interface PoolOptions {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Makes a thread; by default as a worker of the calling one. */
  readonly startThread?: (request: PoolThreadRequest) => void;
}

/** A thread of the pool, by what it says. */
interface PoolThread {
  /** Rejects where it ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
}

export class ThreadPool {
  readonly threads: number;
  /** Resolves when a thread fails, after which the pool is of no use. */
  readonly failed: Promise<DeviceError>;
  readonly #kernels: Kernels;
  readonly #control: number;
  readonly #words: Int32Array;
  readonly #others: readonly PoolThread[];
  readonly #fail: (error: DeviceError) => void;

  private constructor(
    { threads, control, scratch, scratchBytes }: PoolLayout,
    { module, memory, startThread = startPoolThread }: PoolOptions,
  ) {
    this.threads = threads;
    this.#kernels = instantiateKernels(module, memory);
    this.#control = control;
    const words = controlWords(memory, control);
    this.#words = words;
    words[CONTROL.threads] = threads;
    words[CONTROL.spins] = LEAST_SPINS;
    words[CONTROL.scratch] = scratch;
    words[CONTROL.scratchBytes] = scratchBytes;
    const { promise, resolve } = Promise.withResolvers<DeviceError>();
    this.failed = promise;
    this.#fail = resolve;
    this.#others = Array.from({ length: threads - 1 }, (_, i) => {
      const start: PoolThreadStart = { module, memory, control, thread: i + 1 };
      const { port1, port2 } = new MessageChannel();
      const thread = this.#listen(port1);
      startThread({ start, port: port2 });
      return thread;
    });
  }

  /** Starts the threads; resolves when all of them wait for a launch. */
  static async start(layout: PoolLayout, options: PoolOptions): Promise<ThreadPool> {
    const pool = new ThreadPool(layout, options);
    try {
      await Promise.all(pool.#others.map(({ ready }) => ready));
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /**
   * Runs a program on all threads, this one included. Throws a DeviceError when a thread failed.
   *
   * @param times address of a float64 for each operation: set to the time at which it was done
   */
  run({ address, count }: Program, times = 0): void {
    const words = this.#words;
    this.#kernels.rewind(address, count);
    words[CONTROL.times] = times;
    if (this.threads > 1) {
      words[CONTROL.program] = address;
      words[CONTROL.operations] = count;
      Atomics.add(words, CONTROL.launches, 1);
      Atomics.notify(words, CONTROL.launches);
    }
    try {
      this.#kernels.run(this.#control, address, count, 0);
    } catch (error) {
      failPool(words);
      const failure = threadFailure(error instanceof Error ? error.message : String(error));
      this.#fail(failure);
      throw failure;
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    closePool(this.#words);
    await Promise.all(this.#others.map(({ ended }) => ended));
  }

  #listen(port: MessagePort): PoolThread {
    const ready = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    port.onmessage = ({ data }: MessageEvent<PoolThreadMessage>) => {
      if (data.type === "ready") return ready.resolve();
      port.close();
      ended.resolve();
      if (data.type === "closed") return;
      ready.reject(new DeviceError(`Cannot start a CPU thread: ${data.reason}`));
      this.#fail(threadFailure(data.reason));
    };
    return { ready: ready.promise, ended: ended.promise };
  }
}

function threadFailure(reason: string): DeviceError {
  return new DeviceError(`Cannot go on computing: a thread failed (${reason}); restart the worker`);
}
