/**
 * Baton's engine as a peer of `bench/engine.ts`: thread, scheduler and backend as a worker runs them.
 *
 * Usage: deno run -A baton.ts MODEL.gguf PROMPT_TOKENS DECODE_TOKENS
 */

import { TextLineStream } from "@std/streams/text_line_stream.js";
import { startEngine } from "../../shared/engine_thread/mod.ts";

const [modelPath = "", promptText = "", decodeText = ""] = Deno.args;
const promptTokens = Number(promptText);
const decodeTokens = Number(decodeText);

const startedAt = performance.now();
await using engine = await startEngine({
  modelPath,
  kvCacheTokens: 4096,
  maxBatchTokens: 128,
  maxSequences: 8,
  queueLimit: 8,
});
print({ ready: true, loadMs: performance.now() - startedAt });

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  .pipeThrough(new TextLineStream() as TransformStream<string, string>);
let round = 0;
for await (const line of lines) {
  if (line.trim() !== "round") break;
  print(await measure(++round));
}

async function measure(round: number) {
  const { vocab } = engine.info.shape;
  const prompt = Array.from(
    { length: promptTokens },
    (_, k) => 300 + ((k * 7919 + round) % (vocab - 300)),
  );
  const start = performance.timeOrigin + performance.now();
  const times: number[] = [];
  const sequence = engine.submit({
    kind: "generate",
    sequenceId: `round-${round}`,
    promptTokens: prompt,
    sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
    maxTokens: decodeTokens + 1,
    stopTokenIds: [],
  });
  for await (const event of sequence) {
    if (event.type === "token") times.push(event.atMs);
    if (event.type === "failed") throw new Error(event.message);
  }
  const first = times[0] ?? NaN;
  return {
    prefillTokensPerSecond: promptTokens / ((first - start) / 1e3),
    decodeTokensPerSecond: (times.length - 1) / (((times.at(-1) ?? NaN) - first) / 1e3),
  };
}

function print(value: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(value) + "\n"));
}
