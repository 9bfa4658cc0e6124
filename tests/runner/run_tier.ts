import { join } from "@std/path/mod.js";
import { say } from "../kit/say.ts";
import { countJunit, NO_TESTS, type TestCounts } from "./junit.ts";
import { runGroup } from "./process_group.ts";
import type { Tier } from "./tiers.ts";

const LIMIT_TESTS = new URL("limit_tests.ts", import.meta.url).href;

export interface TierRun {
  /** The repository's root. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  /** False when the check tier has type-checked already. */
  readonly isTypeChecked: boolean;
  /** Where the tests' own output goes: this process's, or nowhere. */
  readonly output: "inherit" | "null";
  /** A tier that takes longer is ended with all that it started, and fails. */
  readonly timeoutMs: number;
}

/**
 * Runs a tier's tests and counts them.
 * A run that fails without a failed test (a file that does not load, a tier that takes longer than
 * its time) counts as one failure.
 */
export async function runTier(tier: Tier, run: TierRun): Promise<TestCounts> {
  // Files, not folders: of a folder with a workspace member Deno takes the member's tests alone.
  const paths: string[] = [];
  for (const path of tier.paths) paths.push(...await testFiles(join(run.root, path)));
  if (paths.length === 0) return NO_TESTS;
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const code = await runGroup([
      Deno.execPath(),
      "test",
      "-A",
      "--no-prompt",
      ...(run.isTypeChecked ? [] : ["--no-check"]),
      ...(tier.isParallel ? ["--parallel"] : []),
      `--preload=${LIMIT_TESTS}?limit_ms=${tier.testTimeoutMs}`,
      `--junit-path=${report}`,
      ...paths,
    ], {
      cwd: run.root,
      env: run.env,
      stdin: "null",
      stdout: run.output,
      stderr: run.output,
      timeoutMs: run.timeoutMs,
      onTimeout: () => say(`\nThe ${tier.name} tier did not end within ${run.timeoutMs / 1000} s`),
    });
    const counts = countJunit(await Deno.readTextFile(report));
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    await Deno.remove(report);
  }
}

/** All `_test.ts` in and below a folder, in order; none where there is no such folder. */
async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for await (const { name, isFile, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isFile && name.endsWith("_test.ts")) files.push(path);
      if (isDirectory) files.push(...await testFiles(path));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files.sort();
}
