/** The whole of `start`: real processes, a real model, one machine. */

import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert/mod.js";
import { Stack } from "../kit/stack.ts";

async function isServed(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).body?.cancel();
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "start runs everything, says where, answers, and leaves nothing behind on SIGINT",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using stack = await Stack.start({ model: "stories15m" });
    const { url, natsUrl, workers, output } = stack;
    assertMatch(output, /^Baton is ready after [\d.]+ s: stories15m at http:\S+\/v1$/m);
    assertMatch(output, /^ {2}device {5}\S/m);
    assertStringIncludes(output, `curl -N ${url}/v1/chat/completions`);
    assertEquals(workers.map(({ name }) => name), ["prefill", "decode"]);

    const response = await fetch(`${url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "stories15m",
        prompt: "Once upon a time",
        max_tokens: 8,
        temperature: 0,
      }),
    });
    const body = await response.json();
    assertEquals(response.status, 200, JSON.stringify(body));
    assertStringIncludes(body.choices[0].text, "there was a little girl");

    assertEquals(await stack.stop("SIGINT"), 0);
    const urls = [url, natsUrl.replace("nats:", "http:"), ...workers.map((worker) => worker.url)];
    for (const gone of urls) assertEquals(await isServed(gone), false, gone);
  },
});

Deno.test("two starts in the same moment have a bus of their own each", async () => {
  const options = { env: { DYN_ENGINE: "simulated" } };
  const starting = [Stack.start(options), Stack.start(options)];
  await using stacks = new AsyncDisposableStack();
  const started = await Promise.allSettled(starting);
  for (const each of started) if (each.status === "fulfilled") stacks.use(each.value);
  const [first, second] = await Promise.all(starting);
  assertNotEquals(first!.natsUrl, second!.natsUrl);
  for (const stack of [first!, second!]) {
    const { instances } = await (await fetch(`${stack.url}/health`)).json();
    const own = await Promise.all(
      stack.workers.map(async ({ url }) =>
        (await (await fetch(`${url}/health`)).json()).instance_id
      ),
    );
    assertEquals(
      instances.map((each: { instance_id: string }) => each.instance_id).sort(),
      own.sort(),
    );
  }
});
