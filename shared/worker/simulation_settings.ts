/** The variables of the simulated engine as its options. */

import type { Settings } from "../config/mod.ts";
import type { SimulatedFault, Simulation } from "../engine/simulated/simulation.ts";

/** What DYN_SIM_* say. */
export function simulationOf(settings: Settings): Simulation {
  return {
    stepMs: settings.DYN_SIM_STEP_US / 1e3,
    rowMs: settings.DYN_SIM_ROW_US / 1e3,
    prefillTokenMs: settings.DYN_SIM_PREFILL_TOKEN_US / 1e3,
    speedup: settings.DYN_SIM_SPEEDUP,
    jitter: settings.DYN_SIM_JITTER_PERCENT / 100,
    seed: settings.DYN_SIM_SEED,
    answerTokens: settings.DYN_SIM_ANSWER_TOKENS,
    contextTokens: settings.DYN_SIM_CONTEXT_TOKENS,
    kvTokenBytes: settings.DYN_SIM_KV_TOKEN_BYTES,
    faults: parseFaults(settings.DYN_SIM_FAULTS),
  };
}

/** Reads `fail@3,lost@9,crash@9,slow@5:2000`; the configuration has checked the form. */
function parseFaults(text: string): SimulatedFault[] {
  return text.split(",").filter(Boolean).map((item) => {
    const [kind = "", where = ""] = item.split("@");
    const [step, extraMs] = where.split(":").map(Number);
    if (step !== undefined && kind === "slow" && extraMs !== undefined) {
      return { kind, step, extraMs };
    }
    if (step !== undefined && (kind === "fail" || kind === "lost" || kind === "crash")) {
      return { kind, step };
    }
    throw new TypeError(`Cannot read the fault "${item}" of DYN_SIM_FAULTS`);
  });
}
