/**
 * `deno task test [check] [unit] [bus] [cpu] [gpu] [e2e] [browser]`: runs the tiers named, all
 * without a name, with what they need provisioned. Ends with `N passed, N failed, N skipped` over all of them; the exit
 * code is 0 only when none failed.
 */

import { fromFileUrl } from "@std/path/mod.js";
import { runChecks } from "./check/check.ts";
import { say } from "./kit/say.ts";
import { addCounts, countsLine, NO_TESTS, type TestCounts } from "./runner/junit.ts";
import { runTier } from "./runner/run_tier.ts";
import { testEnvironment } from "./runner/test_environment.ts";
import { chooseTiers, type Tier } from "./runner/tiers.ts";

/** Four times what the slowest tier takes on two cores. */
const TIER_TIMEOUT_MS = 20 * 60_000;

async function runAll(tiers: readonly Tier[]): Promise<TestCounts> {
  const root = fromFileUrl(new URL("../", import.meta.url));
  const env = await testEnvironment(tiers, say);
  const isTypeChecked = tiers.every((tier) => tier.name !== "check");
  const lines: string[] = [];
  let total = NO_TESTS;
  for (const tier of tiers) {
    say(`\n== ${tier.name} ==`);
    const startedAtMs = performance.now();
    const counts = tier.name === "check"
      ? { ...await runChecks(say), skipped: 0 }
      : await runTier(tier, {
        root,
        env,
        isTypeChecked,
        output: "inherit",
        timeoutMs: TIER_TIMEOUT_MS,
      });
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    lines.push(`${tier.name.padEnd(7)} ${countsLine(counts)} (${seconds} s)`);
    total = addCounts(total, counts);
  }
  say("");
  for (const line of lines) say(line);
  return total;
}

if (import.meta.main) {
  let total: TestCounts;
  try {
    total = await runAll(chooseTiers(Deno.args));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    total = { ...NO_TESTS, failed: 1 };
  }
  say(countsLine(total));
  Deno.exit(total.failed === 0 ? 0 : 1);
}
