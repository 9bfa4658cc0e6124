/** A GPU host feeds a CPU host and back: workers of both backends behind one frontend. */

import { assert, assertEquals, assertMatch } from "@std/assert/mod.js";
import { denoRun, Program } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

const MODEL = "stories15m";
const STORY_START =
  ", there was a little girl named Lily. She loved to play outside in the sunshine.";
const TIME_ATTRIBUTE = { webgpu: "gpu.time_ms", cpu: "cpu.time_ms" } as const;
const LOAD_TIMEOUT_MS = 180_000;

for (const [prefill, decode] of [["webgpu", "cpu"], ["cpu", "webgpu"]] as const) {
  Deno.test(`a request is prefilled on ${prefill} and decoded on ${decode}`, async () => {
    await using stack = await Stack.start({
      model: MODEL,
      prefillCount: 0,
      env: { DYN_DEVICE: decode, DYN_TRACE_LEVEL: "3" },
    });
    await using _worker = startPrefill(stack, prefill);
    await eventually(
      async () => (await backendsOf(stack)).includes(`prefill ${prefill}`),
      LOAD_TIMEOUT_MS,
    );
    assertEquals(await backendsOf(stack), [`decode ${decode}`, `prefill ${prefill}`]);
    assertEquals(await continueStory(stack), STORY_START);
    const spans = await stack.sink.waitFor((all) =>
      all.filter(({ name }) => name === "handle_payload").length === 2
    );
    assert(spans.some(({ name }) => name === "kv.receive"));
    for (const [component, backend] of [["prefill", prefill], ["decode", decode]] as const) {
      const request = spans.find(({ name, attributes }) =>
        name === "handle_payload" && attributes.component === component
      );
      assertEquals(request?.attributes["engine.backend"], backend);
      assert(Number(request?.attributes[TIME_ATTRIBUTE[backend]]) > 0, `${component} has no time`);
    }
    const steps = spans.filter(({ name }) => name === "engine.step");
    const backends = new Set(steps.map(({ attributes }) => attributes["engine.backend"]));
    assertEquals([...backends].sort(), ["cpu", "webgpu"]);
    for (const { spanId, attributes } of steps) {
      const isGpu = attributes["engine.backend"] === "webgpu";
      // Only some adapters have timestamps: those tell the step's time too.
      if (isGpu && attributes.device_ms === undefined) continue;
      const passes = spans.filter(({ parentSpanId }) => parentSpanId === spanId);
      const layers = isGpu ? "gpu.layers" : "cpu.layers";
      assert(passes.some(({ name }) => name === layers), `${passes.length} passes`);
    }
    const page = await (await fetch(`${stack.workers[0]?.url}/metrics`)).text();
    assertMatch(page, new RegExp(`^dynamo_component_engine_info{.*backend="${decode}".*} 1$`, "m"));
  });
}

/** One more worker on the stack's bus. */
function startPrefill(stack: Stack, device: string): AsyncDisposable {
  const program = new Program(denoRun("services/prefill/main.ts"), {
    env: {
      NATS_URL: stack.natsUrl,
      DYN_MODEL: MODEL,
      DYN_DEVICE: device,
      DYN_TRACE_LEVEL: "3",
      DYN_SYSTEM_PORT: "0",
      DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "0",
      OTEL_EXPORT_ENABLED: "1",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: stack.sink.tracesUrl,
      OTEL_BSP_SCHEDULE_DELAY: "20",
    },
  });
  return {
    [Symbol.asyncDispose]: async () => {
      program.signal("SIGTERM");
      await program.end();
    },
  };
}

/** Role and backend of every worker that the frontend sees. */
async function backendsOf({ url }: Stack): Promise<string[]> {
  const { instances } = await (await fetch(`${url}/health`)).json();
  return instances
    .map((each: { component: string; device: { backend: string } }) => {
      return `${each.component} ${each.device.backend}`;
    })
    .sort();
}

async function continueStory(stack: Stack): Promise<string> {
  const body = { model: MODEL, prompt: "Once upon a time", max_tokens: 22, temperature: 0 };
  const response = await stack.post("completions", body);
  const { choices } = await response.json();
  return choices[0].text.slice(0, STORY_START.length);
}
