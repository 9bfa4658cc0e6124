/**
 * The operations of a forward pass as records in shared memory, which `kernels/program.as` runs.
 *
 * A program is built once: addresses never change, and a step sets only the counts in the step header
 * and what the rows are. Records are 32 words: kind, address of the row count, whether threads meet
 * afterwards, unused, 12 parameters, the counter of taken work items; from word 20 on, constants.
 */

const RECORD_BYTES = 128;
const FIRST_PARAMETER = 4;
const PARAMETERS = 12;

const FIRST_CONSTANT = 20;
/**
 * Masks of low nibbles, of low bytes and of an f16's bits, and 2^112, by which these become f32. V8
 * makes a constant in code anew at every use; what is loaded stays in a register.
 */
const CONSTANTS = [0x0f0f0f0f, 0x00ff00ff, 0x8fffe000, 0x77800000];

/** Numbers of `kernels/program.as`. */
const KINDS = {
  embed: 0,
  normalise: 1,
  linear: 2,
  rotateAndStore: 3,
  attend: 4,
  mergeAttention: 5,
  swiglu: 6,
  sample: 7,
} as const;

export interface Operation {
  readonly kind: keyof typeof KINDS;
  /** Address of the number of rows. */
  readonly count: number;
  /** In the order of the kernel; a float is given by `floatBits`. */
  readonly parameters: readonly number[];
  /** False where the next operation reads nothing of this one: they run side by side. */
  readonly isLast?: boolean;
}

/** A run of operations in shared memory. */
export interface Program {
  readonly address: number;
  readonly count: number;
}

/** Bytes that `count` operations take. */
export function programBytes(count: number): number {
  return count * RECORD_BYTES;
}

/** Writes `operations` at `address`. */
export function writeProgram(
  memory: WebAssembly.Memory,
  address: number,
  operations: readonly Operation[],
): Program {
  const words = new Uint32Array(memory.buffer, address, programBytes(operations.length) / 4);
  for (const [i, { kind, count, parameters, isLast = true }] of operations.entries()) {
    if (parameters.length > PARAMETERS) {
      throw new RangeError(`Cannot encode ${kind}: it has ${parameters.length} parameters`);
    }
    const at = i * RECORD_BYTES / 4;
    words.set([KINDS[kind], count, isLast ? 1 : 0], at);
    words.set(parameters, at + FIRST_PARAMETER);
    words.set(CONSTANTS, at + FIRST_CONSTANT);
  }
  return { address, count: operations.length };
}

/** A float as the word that a record holds. */
export function floatBits(value: number): number {
  return new Uint32Array(new Float32Array([value]).buffer)[0];
}
