/** An engine that takes no time, so that what is measured is everything around it. */

const NAME = "simulated";

export const SIMULATED_MODEL = { path: NAME, name: NAME, digest: "" };

/** What every process of a stack with it gets. */
export function simulatedEngineEnv(kvTokenBytes: number): Record<string, string> {
  return {
    DYN_ENGINE: "simulated",
    DYN_SIM_STEP_US: "0",
    DYN_SIM_ROW_US: "0",
    DYN_SIM_PREFILL_TOKEN_US: "0",
    DYN_SIM_ANSWER_TOKENS: "0",
    DYN_SIM_KV_TOKEN_BYTES: String(kvTokenBytes),
    DYN_KV_CACHE_TOKENS: "65536",
    DYN_MAX_SEQUENCES: "256",
    DYN_MAX_BATCH_TOKENS: "2048",
    DYN_QUEUE_LIMIT: "1024",
  };
}
