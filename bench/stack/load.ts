/** Streams against one stack, and what they cost it. */

import { cpuTimeUs, memoryOf } from "../process_usage.ts";
import { median, percentile } from "../statistics.ts";
import { SseClient, type StreamTimes } from "./sse_client.ts";
import type { BenchStack } from "./stack.ts";

export interface LoadOptions {
  /** Connections, each of which starts one stream after another. */
  readonly concurrency: number;
  readonly streams: number;
  readonly tokensPerStream: number;
}

export interface LoadFigures {
  readonly streamsPerSecond: number;
  readonly ttftP50Ms: number;
  readonly ttftP99Ms: number;
  /** Mean gap between the tokens of a stream, median over the streams. */
  readonly itlP50Ms: number;
  /** Over the gaps between all events. */
  readonly itlP99Ms: number;
  readonly totalP50Ms: number;
  /** What the client measured less what the frontend says of itself. */
  readonly ttftGapP50Ms: number;
  readonly frontendUsPerToken: number;
  readonly workersUsPerToken: number;
  readonly frontendBytes: number;
}

let prompts = 0;

/** Runs streams to their end. Reads CPU times of processes, so on Linux only. */
export async function runLoad(stack: BenchStack, options: LoadOptions): Promise<LoadFigures> {
  const { concurrency, streams, tokensPerStream } = options;
  const clients = await Promise.all(
    Array.from({ length: concurrency }, () => SseClient.connect(stack.url)),
  );
  try {
    const before = usage(stack);
    const times: StreamTimes[] = [];
    let left = streams;
    const startMs = performance.now();
    await Promise.all(clients.map(async (client) => {
      while (left-- > 0) {
        // No prompt twice: a prefix cache would save what is measured.
        const prompt = `${prompts++} what a stream costs when nothing is computed`;
        const request = { model: stack.model, prompt, maxTokens: tokensPerStream };
        times.push(await client.stream(request));
      }
    }));
    const elapsedMs = performance.now() - startMs;
    const after = usage(stack);
    const tokens = streams * tokensPerStream;
    const of = (pick: (each: StreamTimes) => number) => times.map(pick);
    return {
      streamsPerSecond: streams / elapsedMs * 1000,
      ttftP50Ms: median(of((each) => each.ttftMs)),
      ttftP99Ms: percentile(of((each) => each.ttftMs), 0.99),
      itlP50Ms: median(of((each) => each.itlMs)),
      itlP99Ms: percentile(times.flatMap(({ gapsMs }) => gapsMs), 0.99),
      totalP50Ms: median(of((each) => each.totalMs)),
      ttftGapP50Ms: median(of((each) => each.ttftMs - each.ownTtftMs)),
      frontendUsPerToken: (after.frontendUs - before.frontendUs) / tokens,
      workersUsPerToken: (after.workersUs - before.workersUs) / tokens,
      frontendBytes: (await memoryOf(stack.frontendPid)).residentBytes,
    };
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}

function usage(stack: BenchStack): { frontendUs: number; workersUs: number } {
  return {
    frontendUs: cpuTimeUs(stack.frontendPid),
    workersUs: stack.workerPids.map(cpuTimeUs).reduce((sum, us) => sum + us, 0),
  };
}
