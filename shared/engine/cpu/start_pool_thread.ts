/**
 * Makes a thread of the pool.
 *
 * In Deno a worker which another worker makes runs its module after half a second, and takes its
 * first message half a second later; one that the main thread makes is at work within 20 ms. So an
 * engine thread has its pool's threads made by the main thread. They say little, and through a port,
 * which leads to the pool wherever they were made.
 */

import { closePool, controlWords, failPool } from "./pool_control.ts";

/** What a thread works with. */
export interface PoolThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of the control block. */
  readonly control: number;
  /** Number of the thread, from 1 on: 0 is the one that launches. */
  readonly thread: number;
}

/** Asks for a thread; it can be sent to another thread, with `port` transferred. */
export interface PoolThreadRequest {
  readonly start: PoolThreadStart;
  /** Takes the messages of the thread. */
  readonly port: MessagePort;
}

/** What a thread says: that it waits for launches, then why it ends. */
export type PoolThreadMessage =
  | { readonly type: "ready" }
  | { readonly type: "closed" }
  | { readonly type: "failed"; readonly reason: string };

/**
 * Makes a thread as a worker of the calling one, whose messages then pass through here. Says
 * "failed" where it cannot. Disposing ends the thread, whatever it waits for, and fails its pool.
 */
export function startPoolThread({ start, port }: PoolThreadRequest): Disposable {
  const words = controlWords(start.memory, start.control);
  const open = new DisposableStack();
  open.defer(() => port.close());
  const tell = (message: PoolThreadMessage) => {
    port.postMessage(message);
    if (message.type !== "ready") open.dispose();
  };
  const fail = (reason: string) => {
    failPool(words);
    tell({ type: "failed", reason });
  };
  try {
    const url = new URL("./pool_thread.ts", import.meta.url);
    const worker = new Worker(url, { type: "module", name: `baton-cpu-${start.thread}` });
    open.defer(() => worker.terminate());
    worker.onmessage = ({ data }: MessageEvent<PoolThreadMessage>) => tell(data);
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    worker.postMessage(start);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
  return {
    [Symbol.dispose]() {
      // A worker that sleeps in a wait is not woken by its termination.
      closePool(words);
      fail("it was ended");
    },
  };
}
