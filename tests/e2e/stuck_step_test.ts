/** What the outside sees of an engine step that does not end in time. */

import { assert, assertEquals } from "@std/assert/mod.js";
import { type LogLine, Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

Deno.test("a worker whose step does not end is unhealthy and gets nothing new until it does, and says so once", async () => {
  await using stack = await Stack.start({
    prefillCount: 0,
    env: {
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "1000",
      DYN_SIM_FAULTS: "slow@3:5000",
      DYN_STEP_TIMEOUT_MS: "400",
    },
  });
  const [worker] = stack.workers;
  const statusOf = async () => {
    const response = await fetch(`${worker!.url}/health`);
    return [response.status, (await response.json()).status];
  };
  const isRouted = async () => {
    const { instances } = await (await fetch(`${stack.url}/health`)).json();
    return instances.some((each: { state: string }) => each.state === "ready");
  };
  const ask = async () => {
    const body = { model: "simulated", prompt: "a", max_tokens: 5, temperature: 0 };
    const response = await stack.post("completions", body);
    await response.text();
    return response.status;
  };
  assertEquals(await statusOf(), [200, "ready"]);
  const answer = ask();
  const isTold = ({ message }: LogLine) =>
    String(message).startsWith("an engine step does not end");
  const told = await stack.waitForLog(isTold);
  assertEquals([told.level, told.target, told.limit_ms], ["ERROR", "baton-decode", 400]);
  assertEquals(await statusOf(), [503, "stuck"]);
  assert(await stack.metric(worker!, "dynamo_component_engine_step_running_seconds") > 0.4);
  await eventually(async () => !await isRouted());
  assertEquals(await ask(), 503);
  assertEquals(await answer, 200);
  await stack.waitForLog((line) => line.message === "the overdue engine step has ended");
  await eventually(async () => (await statusOf())[1] === "ready");
  await eventually(isRouted);
  assertEquals(await ask(), 200);
  assertEquals(stack.logs.filter(isTold).length, 1);
});
