/** `deno task check`: format, lint, types, and the rules of this repository. */

import { fromFileUrl } from "@std/path/mod.js";
import { CHECKS } from "./checks.ts";
import { LISTED_LINES, longFiles } from "./file_rules.ts";
import { readSourceFiles } from "./source_file.ts";

export interface CheckCounts {
  readonly passed: number;
  readonly failed: number;
}

/** Runs every check on this checkout and writes one line for each, more where one fails. */
export async function runChecks(write: (line: string) => void): Promise<CheckCounts> {
  const root = fromFileUrl(new URL("../../", import.meta.url));
  const files = await readSourceFiles(root);
  let failed = 0;
  for (const check of CHECKS) {
    const problems = await check.problems(root, files);
    write(`check ${check.name}: ${problems.length === 0 ? "ok" : "FAILED"}`);
    for (const problem of problems) write(`  ${problem.replaceAll("\n", "\n  ")}`);
    if (problems.length > 0) failed++;
  }
  const long = longFiles(files);
  if (long.length > 0) write(`Files over ${LISTED_LINES} lines, worth splitting:`);
  for (const line of long) write(`  ${line}`);
  return { passed: CHECKS.length - failed, failed };
}

if (import.meta.main) {
  const encoder = new TextEncoder();
  const { passed, failed } = await runChecks((line) => {
    Deno.stdout.writeSync(encoder.encode(`${line}\n`));
  });
  Deno.stdout.writeSync(encoder.encode(`${passed} passed, ${failed} failed\n`));
  Deno.exit(failed === 0 ? 0 : 1);
}
