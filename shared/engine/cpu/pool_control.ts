/** The control block of a thread pool, in the memory that its threads share. */

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
export const CONTROL_BYTES = 256;

/** The words that `CONTROL` names, of the control block at `address`. */
export function controlWords(memory: WebAssembly.Memory, address: number): Int32Array {
  return new Int32Array(memory.buffer, address, CONTROL_BYTES / 4);
}

/**
 * Ends the threads that wait for a launch, and those that come to wait for one.
 *
 * @param words of the control block
 */
export function closePool(words: Int32Array): void {
  Atomics.store(words, CONTROL.isClosing, 1);
  Atomics.add(words, CONTROL.launches, 1);
  Atomics.notify(words, CONTROL.launches);
}

/** Ends a meeting to which a thread will not come. @param words of the control block */
export function failPool(words: Int32Array): void {
  Atomics.store(words, CONTROL.hasFailed, 1);
  Atomics.add(words, CONTROL.meetings, 1);
  Atomics.notify(words, CONTROL.meetings);
}
