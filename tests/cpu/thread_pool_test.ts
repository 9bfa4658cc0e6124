import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert/mod.js";
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
import { CONTROL } from "../../shared/engine/cpu/pool_control.ts";
import {
  type PoolThreadRequest,
  startPoolThread,
} from "../../shared/engine/cpu/start_pool_thread.ts";
import { planPool, ThreadPool } from "../../shared/engine/cpu/thread_pool.ts";
import { eventually, within } from "../kit/waits.ts";
import { workerThreads } from "../kit/worker_threads.ts";

const COLUMNS = 32;
const ROWS = 64;

/** A pool, and a program that normalises rows again and again, from one buffer into the other. */
async function openPool(
  threads: number,
  operationCount: number,
  rows = ROWS,
  plan = new MemoryPlan(),
) {
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
  const pool = await ThreadPool.start(layout, { module: await compileKernels(), memory });
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

Deno.test("ThreadPool.run() computes each panel of a matrix once, however many threads, panels and rows there are", async () => {
  for (const panels of [1, 3, 40, 301]) {
    for (const rows of [1, 4, 130]) {
      const results: Float32Array[] = [];
      for (const threads of [1, 2, 5]) results.push(await addedProducts({ threads, panels, rows }));
      assert(results[0].every((value) => value > 0));
      assertEquals(results[1], results[0]);
      assertEquals(results[2], results[0]);
    }
  }
});

/** y += x * w^T ten times over: a panel that is left out or done twice gives another sum. */
async function addedProducts(
  { threads, panels, rows }: {
    readonly threads: number;
    readonly panels: number;
    readonly rows: number;
  },
): Promise<Float32Array> {
  const plan = new MemoryPlan();
  const outputs = panels * 8 - 3;
  const panelBytes = COLUMNS * 8 * 4;
  const reserve = (bytes: number) => plan.reserve("activations", bytes);
  const weights = reserve(panels * panelBytes);
  const [x, y] = [reserve(rows * COLUMNS * 4), reserve(rows * outputs * 4)];
  const [count, address] = [reserve(4), reserve(programBytes(1))];
  const layout = planPool(plan, { threads, scratchBytes: 64 });
  const memory = plan.create();
  new Float32Array(memory.buffer, weights, panels * panelBytes / 4).fill(0.5);
  new Float32Array(memory.buffer, x, rows * COLUMNS).forEach((_, i, all) => all[i] = i + 1);
  new Uint32Array(memory.buffer, count, 1)[0] = rows;
  const parameters = [0, weights, panelBytes, COLUMNS, outputs, x, 0, 0, 0, y, outputs, 1];
  const pool = await ThreadPool.start(layout, { module: await compileKernels(), memory });
  const program = writeProgram(memory, address, [{ kind: "linear", count, parameters }]);
  for (let launch = 0; launch < 10; launch++) pool.run(program);
  await pool.close();
  return new Float32Array(memory.buffer, y, rows * outputs).slice();
}

Deno.test("ThreadPool.run() works where addresses have their highest bit set, and the pool closes", async () => {
  const results: Float32Array[] = [];
  for (const bytes of [0, 2 ** 31]) {
    const plan = new MemoryPlan();
    plan.reserve("weights", bytes);
    const { pool, program, result } = await openPool(3, 40, ROWS, plan);
    for (let launch = 0; launch < 20; launch++) pool.run(program);
    results.push(result());
    await within("The end of the pool", pool.close());
  }
  assertEquals(results[1], results[0]);
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

/** Plans a pool and starts it by `startThread`. */
async function startPool(threads: number, startThread: (request: PoolThreadRequest) => void) {
  const plan = new MemoryPlan();
  const layout = planPool(plan, { threads, scratchBytes: 64 });
  const memory = plan.create();
  const words = new Int32Array(memory.buffer, layout.control, 64);
  const module = await compileKernels();
  const starting = within("The pool", ThreadPool.start(layout, { module, memory, startThread }));
  return { words, starting };
}

Deno.test("ThreadPool.start() rejects with the reason of a thread that does not come up, and ends the others", async () => {
  const { starting } = await startPool(4, ({ start, port }) => {
    const module = start.thread === 2 ? {} as WebAssembly.Module : start.module;
    startPoolThread({ start: { ...start, module }, port });
  });
  await assertRejects(() => starting, DeviceError, "Cannot start a CPU thread: ");
});

Deno.test("ThreadPool.start() rejects when no thread can be made", async () => {
  const { starting } = await startPool(3, ({ start, port }) => {
    // Nothing that can be sent to a thread.
    const module = (() => {}) as unknown as WebAssembly.Module;
    startPoolThread({ start: { ...start, module }, port });
  });
  await assertRejects(() => starting, DeviceError, "Cannot start a CPU thread: ");
});

Deno.test("ThreadPool.close() ends a thread that comes only afterwards", async () => {
  const late: PoolThreadRequest[] = [];
  const { words, starting } = await startPool(3, (request) => {
    if (request.start.thread === 1) late.push(request);
    else request.port.postMessage({ type: "failed", reason: "no memory" });
  });
  // The pool closes, since a thread failed.
  await Atomics.waitAsync(words, CONTROL.launches, 0, 10_000).value;
  for (const request of late) startPoolThread(request);
  await assertRejects(() => starting, DeviceError, "Cannot start a CPU thread: no memory");
});

Deno.test({
  name: "startPoolThread() gives a handle that ends the thread while it waits for a launch",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const before = new Set(workerThreads());
    const added = () => workerThreads().filter((id) => !before.has(id)).length;
    const threads = new DisposableStack();
    const { starting } = await startPool(
      4,
      (request) => threads.use(startPoolThread(request)),
    );
    const pool = await starting;
    assertEquals(added(), 3);
    threads.dispose();
    await eventually(() => added() === 0);
    await within("The failure", pool.failed);
    await within("The end of the pool", pool.close());
  },
});

Deno.test("startPoolThread() gives a handle that ends the thread while its pool starts", async () => {
  const threads = new DisposableStack();
  const { starting } = await startPool(
    3,
    (request) => threads.use(startPoolThread(request)),
  );
  threads.dispose();
  await assertRejects(() => starting, DeviceError, "Cannot start a CPU thread: it was ended");
});

function setParameter(
  memory: WebAssembly.Memory,
  program: Program,
  { operation, parameter, value }: { operation: number; parameter: number; value: number },
): void {
  const address = program.address + programBytes(operation) + 16 + parameter * 4;
  new Uint32Array(memory.buffer, address, 1)[0] = value;
}
