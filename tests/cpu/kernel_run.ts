/** What tests of single kernels share: a memory, the kernels on it, and one operation at a time. */

import {
  compileKernels,
  instantiateKernels,
  type Kernels,
} from "../../shared/engine/cpu/kernel_module.ts";
import { MemoryPlan } from "../../shared/engine/cpu/memory_plan.ts";
import { CONTROL } from "../../shared/engine/cpu/pool_control.ts";
import { type Operation, programBytes, writeProgram } from "../../shared/engine/cpu/program.ts";
import { planPool } from "../../shared/engine/cpu/thread_pool.ts";

const module = await compileKernels();

export class KernelRun {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  /** Address of the row count. */
  readonly count: number;
  readonly #control: number;
  readonly #program: number;

  /** Takes the regions that `reserve` plans, and scratch. */
  constructor(plan: MemoryPlan, scratchBytes: number) {
    const pool = planPool(plan, { threads: 1, scratchBytes });
    this.count = plan.reserve("activations", 4);
    this.#program = plan.reserve("activations", programBytes(1));
    this.#control = pool.control;
    this.memory = plan.create();
    this.kernels = instantiateKernels(module, this.memory);
    const control = this.words(pool.control, 8);
    control[CONTROL.threads] = 1;
    control[CONTROL.scratch] = pool.scratch;
    control[CONTROL.scratchBytes] = pool.scratchBytes;
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  words(address: number, length: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, length);
  }

  run(rows: number, operation: Pick<Operation, "kind" | "parameters">): void {
    this.words(this.count, 1)[0] = rows;
    const operations = [{ ...operation, count: this.count }];
    const { address, count } = writeProgram(this.memory, this.#program, operations);
    this.kernels.rewind(address, count);
    this.kernels.run(this.#control, address, count, 0);
  }
}
