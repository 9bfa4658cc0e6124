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
export function controlWords(memory: WebAssembly.Memory, address: number): Uint32Array {
  return new Uint32Array(memory.buffer, address, CONTROL_BYTES / 4);
}

/** Wakes the threads that sleep on a word. @param words of the control block */
export function wake(words: Uint32Array, word: number): void {
  Atomics.notify(new Int32Array(words.buffer), (words.byteOffset >> 2) + word);
}

/**
 * Ends the threads that wait for a launch, and those that come to wait for one.
 *
 * @param words of the control block
 */
export function closePool(words: Uint32Array): void {
  Atomics.store(words, CONTROL.isClosing, 1);
  Atomics.add(words, CONTROL.launches, 1);
  wake(words, CONTROL.launches);
}

/** Ends a meeting to which a thread will not come. @param words of the control block */
export function failPool(words: Uint32Array): void {
  Atomics.store(words, CONTROL.hasFailed, 1);
  Atomics.add(words, CONTROL.meetings, 1);
  wake(words, CONTROL.meetings);
}
