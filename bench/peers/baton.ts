/**
 * Baton's engine as a peer of `bench/engine`: thread, scheduler and backend as a worker runs them.
 *
 * Usage: deno run -A baton.ts MODEL.gguf webgpu|cpu
 */

import type { SequenceEvent } from "../../shared/engine/engine.ts";
import { startEngine } from "../../shared/engine_thread/mod.ts";
import { CONTEXT_TOKENS } from "../engine/cases.ts";
import type { PeerRequest, PeerResult } from "../engine/peer_process.ts";
import { servePeer } from "./serve_peer.ts";

type TokenEvent = Extract<SequenceEvent, { type: "token" }>;

const [modelPath = "", device = ""] = Deno.args;
const startedAt = performance.now();
await using engine = await startEngine({
  modelPath,
  device: device === "cpu" ? "cpu" : "webgpu",
  kvCacheTokens: CONTEXT_TOKENS,
  maxBatchTokens: 128,
  maxSequences: 8,
  queueLimit: 8,
});
let submitted = 0;
await servePeer(performance.now() - startedAt, generate);

async function generate({ prompts, tokens }: PeerRequest): Promise<PeerResult> {
  const startMs = performance.timeOrigin + performance.now();
  const sequences = await Promise.all(prompts.map((prompt) => generateOne(prompt, tokens)));
  const firstMs = Math.max(...sequences.map((events) => events[0].atMs));
  const endMs = Math.min(...sequences.map((events) => events[events.length - 1].atMs));
  const decoded = sequences.flat().filter(({ atMs }) => atMs > firstMs && atMs <= endMs);
  return {
    prefillTokensPerSecond: prompts.flat().length / ((firstMs - startMs) / 1e3),
    decodeTokensPerSecond: decoded.length / ((endMs - firstMs) / 1e3),
    tokens: sequences.map((events) => events.map(({ id }) => id)),
  };
}

async function generateOne(prompt: readonly number[], maxTokens: number): Promise<TokenEvent[]> {
  const sequence = engine.submit({
    kind: "generate",
    sequenceId: `sequence-${submitted++}`,
    promptTokens: prompt,
    sampling: { temperature: 0, topK: 0, topP: 1, seed: 0 },
    maxTokens,
    stopTokenIds: [],
  });
  const events: TokenEvent[] = [];
  for await (const event of sequence) {
    if (event.type === "token") events.push(event);
    if (event.type === "failed") throw new Error(event.message);
  }
  return events;
}
