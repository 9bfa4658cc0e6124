/**
 * How much of a request its spans explain: no time of `http-request` may hide between them.
 *
 * Covered is what lies in at least one descendant. Since a span that wraps others covers whatever
 * happens in it, the leaves alone are held to the bound of level 1 as well: what they leave open is the
 * way of messages from process to process. A busy machine can stop a process anywhere, so requests are
 * made until one has no such stop in it, up to a number.
 */

import { assert } from "@std/assert/mod.js";
import type { SinkSpan } from "../kit/otlp_sink.ts";
import { Stack } from "../kit/stack.ts";

const MAX_REQUESTS = 60;
const MIN_COVERED = { 1: 0.95, 2: 0.99 } as const;
const MIN_LEAVES_COVERED = 0.95;

type Level = keyof typeof MIN_COVERED;

const STACKS = [
  {
    name: "the simulated engine",
    model: undefined,
    env: { DYN_ENGINE: "simulated", DYN_SIM_STEP_US: "4000", DYN_SIM_ANSWER_TOKENS: "0" },
  },
  { name: "the cpu engine", model: "stories15m", env: { DYN_DEVICE: "cpu" } },
] as const;

interface Asked {
  readonly level: Level;
  readonly isStream: boolean;
  readonly request: number;
}

/** Sends a request of that level; resolves with its spans when all of them have come. */
async function spansOf(stack: Stack, { level, isStream, request }: Asked): Promise<SinkSpan[]> {
  const traceId = crypto.randomUUID().replaceAll("-", "");
  const { data: [model] } = await (await fetch(`${stack.url}/v1/models`)).json();
  const body = {
    model: model.id,
    // Of its own, so that no request has the prompt of another in the cache.
    prompt: `Request ${level} ${isStream} ${request}. ` + "Once upon a time. ".repeat(10),
    max_tokens: 64,
    temperature: 0,
    stream: isStream,
  };
  const response = await stack.post("completions", body, {
    headers: {
      traceparent: `00-${traceId}-${"1".repeat(16)}-01`,
      tracestate: `baton=l:${level}`,
    },
  });
  assert(response.ok, await response.clone().text());
  await response.text();
  const spans = await stack.sink.waitForTrace(
    traceId,
    (all) =>
      all.some(({ name }) => name === "http-request") &&
      all.filter(({ name }) => name === "handle_payload").length === 2,
  );
  return [...spans];
}

/** Share of `root` that lies in at least one of `spans`. */
function coverage(root: SinkSpan, spans: readonly SinkSpan[]): number {
  let coveredNs = 0n;
  let atNs = root.startNs;
  for (const span of spans.toSorted((a, b) => a.startNs < b.startNs ? -1 : 1)) {
    const startNs = span.startNs > atNs ? span.startNs : atNs;
    const endNs = span.endNs < root.endNs ? span.endNs : root.endNs;
    if (endNs <= startNs) continue;
    coveredNs += endNs - startNs;
    atNs = endNs;
  }
  return Number(coveredNs) / Number(root.endNs - root.startNs);
}

function leavesOf(spans: readonly SinkSpan[]): SinkSpan[] {
  const parents = new Set(spans.map(({ parentSpanId }) => parentSpanId));
  return spans.filter(({ spanId }) => !parents.has(spanId));
}

for (const { name, model, env } of STACKS) {
  Deno.test(`spans cover 95 % of a request on ${name} at level 1, and 99 % at level 2`, async () => {
    await using stack = await Stack.start({
      model,
      env: { ...env, DYN_TRACE_LEVEL: "1", DYN_TRACE_LEVEL_REMOTE: "2" },
    });
    for (const level of [1, 2] as const) {
      for (const isStream of [true, false]) {
        let best = 0;
        let bestLeaves = 0;
        const isCovered = () => best >= MIN_COVERED[level] && bestLeaves >= MIN_LEAVES_COVERED;
        for (let request = 0; request < MAX_REQUESTS && !isCovered(); request++) {
          const spans = await spansOf(stack, { level, isStream, request });
          const root = spans.find((span) => span.name === "http-request")!;
          const others = spans.filter((span) => span !== root);
          best = Math.max(best, coverage(root, others));
          bestLeaves = Math.max(bestLeaves, coverage(root, leavesOf(others)));
        }
        const what = `level ${level}, stream ${isStream}`;
        assert(best >= MIN_COVERED[level], `${what}: ${best}`);
        assert(bestLeaves >= MIN_LEAVES_COVERED, `${what}: ${bestLeaves} by leaves`);
      }
    }
  });
}
