/** Counts of a JUnit report as `deno test --junit-path` writes it. */

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NO_TESTS: TestCounts = { passed: 0, failed: 0, skipped: 0 };

export function addCounts(a: TestCounts, b: TestCounts): TestCounts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

/** Counts test cases: a `failure` or `error` in one makes it failed, `skipped` skipped. */
export function countJunit(xml: string): TestCounts {
  let counts = NO_TESTS;
  // A case without outcome closes itself; text in a case is escaped, so tags in it are real.
  for (
    const [, content = ""] of xml.matchAll(
      /<testcase\b[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g,
    )
  ) {
    const isFailed = /<(failure|error)\b/.test(content);
    const isSkipped = !isFailed && /<skipped\b/.test(content);
    counts = addCounts(counts, {
      passed: isFailed || isSkipped ? 0 : 1,
      failed: isFailed ? 1 : 0,
      skipped: isSkipped ? 1 : 0,
    });
  }
  return counts;
}

/** The line that ends a run. */
export function countsLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
