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
  /** A test that takes longer is ended and fails, and the others go on. */
  readonly testTimeoutMs: number;
}

/** More than any wait in the tests, which say better what did not come. */
const TEST_TIMEOUT_MS = 4 * 60_000;
/** Where nothing is cached yet, a test first computes the texts of the reference. */
const TEXT_TEST_TIMEOUT_MS = 8 * 60_000;

export const TIERS: readonly Tier[] = [
  {
    name: "check",
    paths: [],
    needsNats: false,
    needsAdapter: false,
    isParallel: false,
    testTimeoutMs: TEST_TIMEOUT_MS,
  },
  {
    name: "unit",
    paths: ["shared", "services", "bench", "tests/check", "tests/runner", "tests/kit"],
    needsNats: false,
    needsAdapter: false,
    isParallel: true,
    testTimeoutMs: TEST_TIMEOUT_MS,
  },
  {
    name: "bus",
    paths: ["tests/bus"],
    needsNats: true,
    needsAdapter: false,
    isParallel: false,
    testTimeoutMs: TEST_TIMEOUT_MS,
  },
  {
    name: "cpu",
    paths: ["tests/cpu"],
    needsNats: false,
    needsAdapter: false,
    isParallel: false,
    testTimeoutMs: TEXT_TEST_TIMEOUT_MS,
  },
  {
    name: "gpu",
    paths: ["tests/gpu"],
    needsNats: false,
    needsAdapter: true,
    isParallel: false,
    testTimeoutMs: TEXT_TEST_TIMEOUT_MS,
  },
  {
    name: "e2e",
    paths: ["tests/e2e"],
    needsNats: true,
    needsAdapter: true,
    isParallel: false,
    testTimeoutMs: TEXT_TEST_TIMEOUT_MS,
  },
  {
    name: "browser",
    paths: ["tests/browser"],
    needsNats: true,
    needsAdapter: false,
    needsBrowser: true,
    isParallel: false,
    testTimeoutMs: TEST_TIMEOUT_MS,
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
