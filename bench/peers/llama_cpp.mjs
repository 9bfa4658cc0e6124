/**
 * llama.cpp through its Node binding, as a peer of `bench/engine`.
 *
 * Speaks the peers' protocol (see peer_process.ts), one prompt at a time. Usage: node llama_cpp.mjs
 * MODEL.gguf cpu|vulkan THREADS CONTEXT_TOKENS, in the folder whose node_modules holds the binding.
 */
import process from "node:process";
import readline from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [, , modelPath, device, threads, contextTokens] = process.argv;
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
  contextSize: Math.min(Number(contextTokens), model.trainContextSize),
  threads: Number(threads),
});
const sequence = context.getSequence();
print({ loadMs: performance.now() - startedAt });

for await (const line of readline.createInterface({ input: process.stdin })) {
  print(await generate(JSON.parse(line)));
}
process.exit(0);

async function generate({ prompts: [prompt], tokens: count }) {
  await sequence.clearHistory();
  const tokens = [];
  const startMs = performance.now();
  let firstMs = 0;
  let endMs = 0;
  for await (const id of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    endMs = performance.now();
    firstMs ||= endMs;
    tokens.push(id);
    if (tokens.length === count) break;
  }
  return {
    prefillTokensPerSecond: prompt.length / ((firstMs - startMs) / 1e3),
    decodeTokensPerSecond: (count - 1) / ((endMs - firstMs) / 1e3),
    tokens: [tokens],
  };
}

function print(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}
