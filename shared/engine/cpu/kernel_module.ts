/** The compiled kernels of `kernels/*.as`, and one thread's instance of them. */

import { KERNELS_WASM } from "./kernel_sources.ts";

/** Addresses and counts are whole numbers below 2^32. */
export interface Kernels {
  /** Runs `count` operations from `ops` on, as thread `thread` of the pool. */
  run(control: number, ops: number, count: number, thread: number): void;
  /** Makes the work items of operations available again. */
  rewind(ops: number, count: number): void;
  /** Sleeps until the launch count differs from `seen`; returns it. */
  awaitLaunch(control: number, seen: number): number;
  /** Whether byte products are exact here; needs 32 bytes of room. */
  multipliesBytesExactly(at: number): number;
  /** Repacks up to 8 rows of a file into a panel. */
  repack(
    format: number,
    from: number,
    rowBytes: number,
    rows: number,
    to: number,
    columns: number,
  ): void;
}

/** Reads and compiles the module that lies beside its sources. */
export async function compileKernels(): Promise<WebAssembly.Module> {
  const bytes = await Deno.readFile(KERNELS_WASM);
  return await WebAssembly.compile(bytes);
}

/** The kernels on `memory`, for the calling thread. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Kernels {
  const now = () => performance.now();
  const { exports } = new WebAssembly.Instance(module, { env: { memory, now } });
  return exports as unknown as Kernels;
}

/** Whether this CPU multiplies bytes exactly in one instruction: then kernels use it. */
export function multipliesBytes(module: WebAssembly.Module): boolean {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  return instantiateKernels(module, memory).multipliesBytesExactly(65_536) !== 0;
}
