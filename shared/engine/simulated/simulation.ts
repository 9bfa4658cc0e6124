/** What a simulated engine pretends: plain data, so that it crosses to the engine's thread. */

/** Something that goes wrong in one step. Steps count from 1, for each worker. */
export type SimulatedFault =
  /** The step rejects. */
  | { readonly kind: "fail"; readonly step: number }
  /** The step succeeds, and the device is gone after it. */
  | { readonly kind: "lost"; readonly step: number }
  /** An error that nobody catches ends the engine's thread. */
  | { readonly kind: "crash"; readonly step: number }
  | { readonly kind: "slow"; readonly step: number; readonly extraMs: number };

export interface Simulation {
  readonly stepMs: number;
  /** Added for each decode row of a step. */
  readonly rowMs: number;
  /** Added for each prompt token of a step. */
  readonly prefillTokenMs: number;
  /** Divides all times but those of faults. */
  readonly speedup: number;
  /** Most that a step's time differs from its plan, as a share of it, 0 to 1. */
  readonly jitter: number;
  readonly seed: number;
  /** Mean length of an answer that nothing else ends; 0 never ends one. */
  readonly answerTokens: number;
  readonly contextTokens: number;
  /** Rounded up to a multiple of 8: a key and a value of 4 bytes each. */
  readonly kvTokenBytes: number;
  readonly faults: readonly SimulatedFault[];
}

/** Time of a step before faults, with the jitter of its number: the same in every run. */
export function stepTimeMs(
  simulation: Simulation,
  { step, decodeRows, prefillTokens }: {
    readonly step: number;
    readonly decodeRows: number;
    readonly prefillTokens: number;
  },
): number {
  const { stepMs, rowMs, prefillTokenMs, speedup, jitter, seed } = simulation;
  const plannedMs = stepMs + decodeRows * rowMs + prefillTokens * prefillTokenMs;
  const deviation = jitter * (mix(seed, step) / 2 ** 31 - 1);
  return plannedMs * (1 + deviation) / speedup;
}

/** Two u32 to one whose bits all depend on both. */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
