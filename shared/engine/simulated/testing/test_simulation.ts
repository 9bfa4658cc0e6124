/** A simulation that takes no time and never ends an answer, for tests. */

import type { Simulation } from "../simulation.ts";

export function testSimulation(options: Partial<Simulation> = {}): Simulation {
  return {
    stepMs: 0,
    rowMs: 0,
    prefillTokenMs: 0,
    speedup: 1,
    jitter: 0,
    seed: 0,
    answerTokens: 0,
    contextTokens: 512,
    kvTokenBytes: 8,
    faults: [],
    ...options,
  };
}
