/** How many requests are in which stage now: `dynamo_frontend_stage_requests`. */

import { Gauge } from "prom-client";
import { FRONTEND_PREFIX } from "./frontend_instruments.ts";
import type { MetricsRegistry } from "./registry.ts";

export type CurrentStage = "preprocess" | "dispatch" | "queue" | "prefill" | "decode";
/** How the prompt is computed; empty before that is known. */
export type StagePhase = "" | "prefill" | "decode" | "aggregated";

/** The place of one request. */
export interface StagePlace {
  /** It leaves the stage it was in. */
  enter(stage: CurrentStage, phase: StagePhase): void;
  leave(): void;
}

export class StageGauge {
  readonly #counts = new Map<string, { stage: string; phase: string; count: number }>();

  constructor(registry: MetricsRegistry) {
    const counts = this.#counts;
    new Gauge({
      name: `${FRONTEND_PREFIX}stage_requests`,
      help: "Requests in a stage now",
      labelNames: ["stage", "phase"],
      registers: [registry],
      collect() {
        for (const { stage, phase, count } of counts.values()) this.set({ stage, phase }, count);
      },
    });
  }

  place(): StagePlace {
    let current: { count: number } | null = null;
    const leave = () => {
      if (current !== null) current.count--;
      current = null;
    };
    return {
      leave,
      enter: (stage, phase) => {
        leave();
        current = this.#countOf(stage, phase);
        current.count++;
      },
    };
  }

  #countOf(stage: CurrentStage, phase: StagePhase): { count: number } {
    const key = `${stage} ${phase}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const count = { stage, phase, count: 0 };
    this.#counts.set(key, count);
    return count;
  }
}
