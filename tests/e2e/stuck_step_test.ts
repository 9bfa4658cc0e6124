/** What the outside sees of an engine step that does not end in time. */

import { assert, assertEquals, assertMatch } from "@std/assert/mod.js";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { type LogLine, Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

Deno.test("a worker whose step does not end is unhealthy and gets nothing new until it does, and says so once", async () => {
  await using stack = await Stack.start({
    prefillCount: 0,
    env: {
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "1000",
      DYN_SIM_FAULTS: "slow@3:12000",
      DYN_STEP_TIMEOUT_MS: "3000",
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
  assertEquals([told.level, told.target, told.limit_ms], ["ERROR", "baton-decode", 3000]);
  assertEquals(await statusOf(), [503, "stuck"]);
  assert(await stack.metric(worker!, "dynamo_component_engine_step_running_seconds") > 3);
  await eventually(async () => !await isRouted());
  assertEquals(await ask(), 503);
  assertEquals(await answer, 200);
  await stack.waitForLog((line) => line.message === "the overdue engine step has ended");
  await eventually(async () => (await statusOf())[1] === "ready");
  await eventually(isRouted);
  assertEquals(await ask(), 200);
  assertEquals(stack.logs.filter(isTold).length, 1);
});

Deno.test("a worker whose step never ends ends itself and says why, and the request goes on with the one that start starts", async () => {
  await using stack = await Stack.start({
    prefillCount: 0,
    env: {
      DYN_ENGINE: "simulated",
      DYN_SIM_STEP_US: "1000",
      // Of the second process too: the two tokens that are left are made before it.
      DYN_SIM_FAULTS: "slow@3:3600000",
      DYN_STEP_TIMEOUT_MS: "400",
      DYN_WORKER_RETURN_TIMEOUT_MS: "60000",
    },
  });
  const body = { model: "simulated", prompt: "a", max_tokens: 4, temperature: 0, ignore_eos: true };
  const answer = await stack.post("completions", body);
  assertEquals([answer.status, (await answer.json()).usage.completion_tokens], [200, 4]);
  const reason = /an engine step has not ended in 2 s\. Its device or driver hangs/;
  const last = await stack.waitForLog((line) =>
    line.target === "baton-decode" && reason.test(String(line.message))
  );
  assertEquals(last.level, "ERROR");
  const restarted = await stack.waitForLog((line) => line.target === "start.decode");
  assertMatch(String(restarted.message), /^ended with code 1; starting it again/);
  const routes = await stack.sink.waitFor((spans) => spans.filter(isRoute).length === 2);
  const [failed] = routes.filter(isRoute);
  assertEquals(failed?.attributes["error.type"], "engine_failed");
  const migrated = await stack.waitForLog(({ message }) => message === "request migrated");
  assertMatch(String(migrated.error_detail), reason);
});

function isRoute({ name }: SinkSpan): boolean {
  return name === "router.route_request";
}
