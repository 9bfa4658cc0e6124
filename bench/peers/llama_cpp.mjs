/**
 * llama.cpp through its Node binding, as a peer of `bench/engine.ts`.
 *
 * Speaks the peers' protocol: a line of JSON when ready, then one line for each `round` read from
 * standard input. Usage: node llama_cpp.mjs MODEL.gguf cpu|vulkan PROMPT_TOKENS DECODE_TOKENS
 */
import process from "node:process";
import readline from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , modelPath, device, promptText, decodeText] = process.argv;
const promptTokens = Number(promptText);
const decodeTokens = Number(decodeText);
const require = createRequire(`${process.cwd()}/package.json`);
const { getLlama, LlamaLogLevel } = await import(
  pathToFileURL(require.resolve("node-llama-cpp")).href
);

const isVulkan = device === "vulkan";
const startedAt = performance.now();
const llama = await getLlama({
  gpu: isVulkan ? "vulkan" : false,
  build: "never",
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath, gpuLayers: isVulkan ? "max" : 0 });
const context = await model.createContext({
  contextSize: Math.min(1024, model.trainContextSize),
  threads: 2,
});
const sequence = context.getSequence();
const vocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
print({ ready: true, loadMs: performance.now() - startedAt });

let round = 0;
for await (const line of readline.createInterface({ input: process.stdin })) {
  if (line.trim() !== "round") break;
  round++;
  await sequence.clearHistory();
  const prompt = Array.from(
    { length: promptTokens },
    (_, k) => 300 + ((k * 7919 + round) % (vocab - 300)),
  );
  const start = performance.now();
  let firstAt = 0;
  let lastAt = 0;
  let count = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    lastAt = performance.now();
    firstAt ||= lastAt;
    if (++count > decodeTokens) break;
  }
  print({
    prefillTokensPerSecond: promptTokens / ((firstAt - start) / 1e3),
    decodeTokensPerSecond: (count - 1) / ((lastAt - firstAt) / 1e3),
    rssBytes: process.memoryUsage().rss,
  });
}
process.exit(0);

function print(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}
