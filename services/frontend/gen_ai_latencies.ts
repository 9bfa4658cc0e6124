/** The stages of a request under the span keys that other servers use (vLLM, SGLang, TensorRT-LLM). */

import type { AttributeValues } from "../../shared/telemetry/registry/mod.ts";
import type { StageTimes } from "./stage_times.ts";

type Latencies = Partial<AttributeValues<"http_request">>;

/** Seconds; only what is known. */
export function genAiLatencies(stages: StageTimes, durationMs: number): Latencies {
  const prefillMs = stages.get("prefill");
  const decodeMs = stages.get("decode");
  const inferenceMs = prefillMs === undefined ? undefined : prefillMs + (decodeMs ?? 0);
  const latencies = {
    "gen_ai.latency.time_in_queue": stages.get("queue"),
    "gen_ai.latency.time_to_first_token": stages.get("ttft"),
    "gen_ai.latency.e2e": durationMs,
    "gen_ai.latency.time_in_model_prefill": prefillMs,
    "gen_ai.latency.time_in_model_decode": decodeMs,
    "gen_ai.latency.time_in_model_inference": inferenceMs,
    "gen_ai.latency.kv_cache_transfer_time": stages.get("kv_transfer"),
  };
  const known: { -readonly [K in keyof typeof latencies]?: number } = {};
  for (const [key, ms] of Object.entries(latencies)) {
    if (ms !== undefined) known[key as keyof typeof latencies] = ms / 1000;
  }
  return known;
}
