/** The tiers of tests, by what they need, in the order of running. */

export type TierName = "check" | "unit" | "bus" | "cpu" | "gpu" | "e2e" | "browser";

export interface Tier {
  readonly name: TierName;
  /** Folders whose tests it runs; empty for `check`, which runs no tests. */
  readonly paths: readonly string[];
  readonly needsNats: boolean;
  readonly needsAdapter: boolean;
  readonly needsBrowser?: boolean;
  /** Test files at the same time: only where they share no device and measure no time. */
  readonly isParallel: boolean;
}

export const TIERS: readonly Tier[] = [
  { name: "check", paths: [], needsNats: false, needsAdapter: false, isParallel: false },
  {
    name: "unit",
    paths: ["shared", "services", "bench", "tests/check", "tests/runner", "tests/kit"],
    needsNats: false,
    needsAdapter: false,
    isParallel: true,
  },
  { name: "bus", paths: ["tests/bus"], needsNats: true, needsAdapter: false, isParallel: false },
  { name: "cpu", paths: ["tests/cpu"], needsNats: false, needsAdapter: false, isParallel: false },
  { name: "gpu", paths: ["tests/gpu"], needsNats: false, needsAdapter: true, isParallel: false },
  { name: "e2e", paths: ["tests/e2e"], needsNats: true, needsAdapter: true, isParallel: false },
  {
    name: "browser",
    paths: ["tests/browser"],
    needsNats: true,
    needsAdapter: false,
    needsBrowser: true,
    isParallel: false,
  },
];

/** The tiers that the arguments name, all without any. Throws an Error for another word. */
export function chooseTiers(args: readonly string[]): Tier[] {
  const names: readonly string[] = TIERS.map(({ name }) => name);
  const unknown = args.filter((word) => !names.includes(word));
  if (unknown.length > 0) {
    throw new Error(`Cannot run "${unknown.join(" ")}": the tiers are ${names.join(", ")}`);
  }
  return args.length === 0 ? [...TIERS] : TIERS.filter(({ name }) => args.includes(name));
}
