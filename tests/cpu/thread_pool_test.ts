import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import { DeviceError } from "../../shared/engine/backend.ts";
import { compileKernels } from "../../shared/engine/cpu/kernel_module.ts";
import { MemoryPlan } from "../../shared/engine/cpu/memory_plan.ts";
import {
  floatBits,
  type Operation,
  type Program,
  programBytes,
  writeProgram,
} from "../../shared/engine/cpu/program.ts";
import { planPool, ThreadPool } from "../../shared/engine/cpu/thread_pool.ts";

const COLUMNS = 32;
const ROWS = 64;

/** A pool, and a program that normalises rows again and again, from one buffer into the other. */
async function openPool(threads: number, operationCount: number, rows = ROWS) {
  const plan = new MemoryPlan();
  const reserve = (bytes: number) => plan.reserve("activations", bytes);
  const [a, b, weight] = [1, 2, 3].map(() => reserve(rows * COLUMNS * 4));
  const [count, gather] = [reserve(4), reserve(rows * 4)];
  const program = reserve(programBytes(operationCount));
  const layout = planPool(plan, { threads, scratchBytes: 64 });
  const memory = plan.create();
  new Float32Array(memory.buffer, a, rows * COLUMNS).forEach((_, i, x) => x[i] = Math.sin(i));
  new Float32Array(memory.buffer, weight, COLUMNS).fill(2);
  new Uint32Array(memory.buffer, count, 1)[0] = rows;
  const operations = Array.from({ length: operationCount }, (_, i): Operation => {
    const [from, to] = i % 2 === 0 ? [a, b] : [b, a];
    const parameters = [from, weight, COLUMNS, floatBits(1e-5), 0, to, 0, 0, 0];
    return { kind: "normalise", count, parameters };
  });
  const pool = await ThreadPool.start(await compileKernels(), memory, layout);
  return {
    pool,
    memory,
    gather,
    program: writeProgram(memory, program, operations),
    result: () => new Float32Array(memory.buffer, a, rows * COLUMNS).slice(),
  };
}

Deno.test("ThreadPool.run() gives the same results on any number of threads, launch after launch", async () => {
  // A single row's operations are done by one thread, which need not be the same each time.
  for (const rows of [1, ROWS]) {
    const results: Float32Array[] = [];
    for (const threads of [1, 2, 5]) {
      const { pool, program, result } = await openPool(threads, 40, rows);
      for (let launch = 0; launch < 20; launch++) pool.run(program);
      results.push(result());
      await pool.close();
    }
    assert(results[0].some((value) => value !== 0));
    assertEquals(results[1], results[0]);
    assertEquals(results[2], results[0]);
  }
});

Deno.test("ThreadPool.run() throws a DeviceError when a thread fails, and the pool still closes", async () => {
  // With a single row, one thread fails while the others wait for it.
  for (const [threads, rows] of [[1, ROWS], [3, ROWS], [3, 1]]) {
    const { pool, memory, program } = await openPool(threads, 4, rows);
    pool.run(program);
    // The second operation reads past the memory.
    setParameter(memory, program, { operation: 1, parameter: 0, value: 0xffff0000 });
    assertThrows(() => pool.run(program), DeviceError, "a thread failed");
    const failure = await pool.failed;
    assert(failure instanceof DeviceError);
    assertThrows(() => pool.run(program), DeviceError, "a thread failed");
    await pool.close();
  }
});

Deno.test("ThreadPool.run() throws a DeviceError when a thread fails long before the others are done", async () => {
  const rows = 50_000;
  for (const threads of [2, 3]) {
    const { pool, memory, program, gather } = await openPool(threads, 4, rows);
    // Only the first row of the second operation is read past the memory.
    const order = new Uint32Array(memory.buffer, gather, rows);
    order.forEach((_, row) => order[row] = row === 0 ? 0x80000000 / (COLUMNS * 4) : row);
    setParameter(memory, program, { operation: 1, parameter: 4, value: gather });
    assertThrows(() => pool.run(program), DeviceError, "a thread failed");
    await pool.close();
  }
});

function setParameter(
  memory: WebAssembly.Memory,
  program: Program,
  { operation, parameter, value }: { operation: number; parameter: number; value: number },
): void {
  const address = program.address + programBytes(operation) + 16 + parameter * 4;
  new Uint32Array(memory.buffer, address, 1)[0] = value;
}
