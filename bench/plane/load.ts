/** Streams against one setup, and what they cost it. */

import { median } from "../statistics.ts";
import { cpuTimeUs, residentMegabytes } from "./process_usage.ts";
import { SseClient, type StreamTimes } from "./sse_client.ts";
import { MODEL, type PlaneStack } from "./stack.ts";

/** As in the reference system's measurements. */
export const TOKENS_PER_STREAM = 64;

export interface LoadFigures {
  readonly streamsPerSecond: number;
  readonly ttftP50Ms: number;
  readonly ttftP99Ms: number;
  readonly itlP50Ms: number;
  readonly totalP50Ms: number;
  /** What the client measured less what the frontend says of itself. */
  readonly ttftGapP50Ms: number;
  readonly frontendUsPerToken: number;
  readonly workersUsPerToken: number;
  readonly frontendMegabytes: number;
}

let prompts = 0;

/** Runs `streams` streams over `concurrency` connections, each of which starts one after another. */
export async function runLoad(
  stack: PlaneStack,
  { concurrency, streams }: { readonly concurrency: number; readonly streams: number },
): Promise<LoadFigures> {
  const clients = await Promise.all(
    Array.from({ length: concurrency }, () => SseClient.connect(stack.url)),
  );
  try {
    const before = await usage(stack);
    const times: StreamTimes[] = [];
    let left = streams;
    const startMs = performance.now();
    await Promise.all(clients.map(async (client) => {
      while (left-- > 0) {
        // No prompt twice: a prefix cache would save what is measured.
        const prompt = `${prompts++} what a stream costs when nothing is computed`;
        times.push(await client.stream({ model: MODEL, prompt, maxTokens: TOKENS_PER_STREAM }));
      }
    }));
    const elapsedMs = performance.now() - startMs;
    const after = await usage(stack);
    const tokens = streams * TOKENS_PER_STREAM;
    const of = (pick: (each: StreamTimes) => number) => times.map(pick);
    return {
      streamsPerSecond: streams / elapsedMs * 1000,
      ttftP50Ms: median(of((each) => each.ttftMs)),
      ttftP99Ms: of((each) => each.ttftMs).sort((a, b) => a - b)[Math.ceil(streams * 0.99) - 1] ??
        NaN,
      itlP50Ms: median(of((each) => each.itlMs)),
      totalP50Ms: median(of((each) => each.totalMs)),
      ttftGapP50Ms: median(of((each) => each.ttftMs - each.ownTtftMs)),
      frontendUsPerToken: (after.frontendUs - before.frontendUs) / tokens,
      workersUsPerToken: (after.workersUs - before.workersUs) / tokens,
      frontendMegabytes: await residentMegabytes(stack.frontendPid),
    };
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}

async function usage(stack: PlaneStack): Promise<{ frontendUs: number; workersUs: number }> {
  const workers = await Promise.all(stack.workerPids.map(cpuTimeUs));
  return {
    frontendUs: await cpuTimeUs(stack.frontendPid),
    workersUs: workers.reduce((sum, us) => sum + us, 0),
  };
}
