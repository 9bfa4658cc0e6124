/** The real engine thread on a simulated device. */

import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import { testSimulation } from "../engine/simulated/testing/test_simulation.ts";
import type { Simulation } from "../engine/simulated/simulation.ts";
import type { Engine, EngineListeners, StepReport } from "../engine/engine.ts";
import type { CapturedOutput } from "../runtime_output/captured_output.ts";
import { startEngine } from "./mod.ts";
import { collectEvents, generatedTokens, handOver, jobOf } from "./testing/run_sequence.ts";

async function startSimulated(
  simulation: Partial<Simulation> = {},
  listeners: EngineListeners = {},
): Promise<Engine> {
  return await startEngine({
    ...listeners,
    device: "simulated",
    simulation: testSimulation(simulation),
    kvCacheTokens: 4096,
    maxBatchTokens: 32,
    maxSequences: 16,
    queueLimit: 16,
  });
}

Deno.test("startEngine() on a simulation generates one text alone, batched and handed over", async () => {
  await using prefill = await startSimulated({ kvTokenBytes: 256 });
  await using decode = await startSimulated({ kvTokenBytes: 256 });
  const prompt = Array.from({ length: 50 }, (_, index) => index + 2);
  const maxTokens = 40;
  const alone = generatedTokens(await collectEvents(prefill.submit(jobOf(prompt, { maxTokens }))));
  assertEquals(alone.length, maxTokens);

  const others = Array.from({ length: 8 }, (_, index) => jobOf([index + 2, 3], { maxTokens }));
  const [batched] = await Promise.all(
    [jobOf(prompt, { maxTokens }), ...others].map((job) => collectEvents(decode.submit(job))),
  );
  assertEquals(generatedTokens(batched!), alone);
  await using fresh = await startSimulated({ kvTokenBytes: 256 });
  assertEquals(await handOver({ prefill, decode: fresh }, jobOf(prompt, { maxTokens })), alone);
});

Deno.test("startEngine() on a simulation ends with the fault's reason", async () => {
  const engine = await startSimulated({ faults: [{ kind: "fail", step: 3 }] });
  const events = await collectEvents(engine.submit(jobOf([2, 3])));
  assertEquals(events.at(-1), {
    type: "failed",
    code: "engine_failed",
    message: "Cannot run step 3: the simulation says that it fails",
  });
  assertEquals((await engine.closed)?.name, "DeviceError");
});

Deno.test("startEngine() on a simulation notices a lost device while it is idle", async () => {
  const engine = await startSimulated({ faults: [{ kind: "lost", step: 1 }] });
  const events = await collectEvents(engine.submit(jobOf([2, 3], { maxTokens: 1 })));
  assertEquals(events.at(-1)?.type, "finished");
  assertEquals(
    (await engine.closed)?.message,
    "The device is lost: the simulation says so after step 1",
  );
});

Deno.test("startEngine() hands out what its thread says, and ends with an error that nobody caught there", async () => {
  const said: CapturedOutput[] = [];
  const engine = await startSimulated(
    { faults: [{ kind: "crash", step: 2 }] },
    { onOutput: (output) => said.push(output) },
  );
  const events = await collectEvents(engine.submit(jobOf([2, 3])));
  const reason = "Nobody catches this: the simulation crashes in step 2";
  assertEquals(events.at(-1), { type: "failed", code: "engine_failed", message: reason });
  assertEquals((await engine.closed)?.message, reason);
  const [error] = said;
  assertEquals([error?.level, error?.text, error?.fields.error], [
    "error",
    "uncaught error",
    reason,
  ]);
  assert(error?.fields.stack?.includes("SimulatedBackend.step"), error?.fields.stack);
});

Deno.test("startEngine() times the passes of the steps that a sequence asks it for, and no others", async () => {
  const reports: StepReport[] = [];
  await using engine = await startSimulated(
    { stepMs: 2 },
    { onStep: (report) => reports.push(report) },
  );
  await collectEvents(engine.submit(jobOf([2, 3], { maxTokens: 3 })));
  const plain = reports.splice(0);
  await collectEvents(engine.submit(jobOf([2, 3], { maxTokens: 3, timePasses: true })));
  assertEquals(plain.map(({ passes }) => passes), [undefined, undefined, undefined]);
  assertEquals(reports.length, 3);
  for (const { passes = [], deviceMs } of reports) {
    assertEquals(passes.map(({ name }) => name), ["embed", "layers", "output", "sample"]);
    const last = passes.at(-1);
    assert(Math.abs((last?.startMs ?? 0) + (last?.durationMs ?? 0) - (deviceMs ?? 0)) < 1e-6);
    const { linear = 0, attention = 0, other = 0 } = passes[1]?.kinds ?? {};
    assert(Math.abs(linear + attention + other - (passes[1]?.durationMs ?? 0)) < 1e-6);
  }
});

Deno.test("startEngine() rejects options that contradict each other", async () => {
  const start = startEngine({
    device: "simulated",
    simulation: testSimulation(),
    kvCacheTokens: 4096,
    maxBatchTokens: 8,
    maxSequences: 16,
    queueLimit: 16,
  });
  await assertRejects(() => start, RangeError, "set maxBatchTokens to 32 or more");
});
