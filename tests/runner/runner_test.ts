import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { isRunning, runProgram } from "../kit/program.ts";
import { eventually } from "../kit/waits.ts";
import { addCounts, countJunit, countsLine, NO_TESTS } from "./junit.ts";
import { runTier, type TierRun } from "./run_tier.ts";
import { chooseTiers, type Tier, TIERS } from "./tiers.ts";

Deno.test("chooseTiers takes all without arguments, else those named, in the fixed order", () => {
  assertEquals(chooseTiers([]), [...TIERS]);
  assertEquals(chooseTiers(["e2e", "unit"]).map(({ name }) => name), ["unit", "e2e"]);
});

Deno.test("chooseTiers names the tiers when it is given another word", () => {
  const error = assertThrows(() => chooseTiers(["unit", "fast"]), Error);
  assertStringIncludes(
    error.message,
    '"fast": the tiers are check, unit, bus, cpu, gpu, e2e, browser',
  );
});

Deno.test("countJunit counts passed, failed and skipped cases", () => {
  const xml = `<?xml version="1.0"?><testsuites name="deno test" tests="5" failures="1">
    <testsuite name="a_test.ts" tests="5">
      <testcase name="passes" classname="a" time="0.1"/>
      <testcase name="has &lt;failure&gt; in its name" time="0.1">
      </testcase>
      <testcase name="fails"><failure message="x">&lt;skipped/&gt;</failure></testcase>
      <testcase name="errs"><error message="y"/></testcase>
      <testcase name="ignored"><skipped/></testcase>
    </testsuite></testsuites>`;
  assertEquals(countJunit(xml), { passed: 2, failed: 2, skipped: 1 });
  assertEquals(countJunit(""), NO_TESTS);
});

Deno.test("countsLine is the line that CI reads", () => {
  const sum = addCounts({ passed: 1, failed: 0, skipped: 2 }, { passed: 3, failed: 4, skipped: 0 });
  assertEquals(countsLine(sum), "4 passed, 4 failed, 2 skipped");
});

const TIER: Tier = {
  name: "unit",
  paths: ["some", "none"],
  needsNats: false,
  needsAdapter: false,
  isParallel: false,
  testTimeoutMs: 60_000,
};

/** Counts of a tier whose one file has that text. */
async function runOf(
  text: string | undefined,
  { env = { FROM_RUNNER: "1" }, testTimeoutMs = 60_000, timeoutMs = 60_000 }: Partial<
    TierRun & Tier
  > = {},
): Promise<Awaited<ReturnType<typeof runTier>>> {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(root, "some", "deep"), { recursive: true });
    if (text !== undefined) await Deno.writeTextFile(join(root, "some/deep/x_test.ts"), text);
    return await runTier({ ...TIER, testTimeoutMs }, {
      root,
      env,
      isTypeChecked: false,
      output: "null",
      timeoutMs,
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("runTier counts the tests of a folder, with the environment it is given", async () => {
  const counts = await runOf(`
    Deno.test("good", () => { if (Deno.env.get("FROM_RUNNER") !== "1") throw new Error(); });
    Deno.test("bad", () => { throw new Error("no"); });
    Deno.test({ name: "not here", ignore: true, fn() {} });
  `);
  assertEquals(counts, { passed: 1, failed: 1, skipped: 1 });
});

Deno.test("runTier counts a file that does not load as a failure", async () => {
  const counts = await runOf(`import "./missing.ts";`);
  assertEquals(counts.failed > 0, true);
});

Deno.test("runTier ends a test that hangs, also one that never yields, and runs the others", async () => {
  const counts = await runOf(
    `
    Deno.test("waits", () => new Promise(() => setInterval(() => {}, 1000)));
    Deno.test({ name: "turns", fn() { while (true); } });
    Deno.test("reads on", async () => {
      const reader = new Response("").body.getReader();
      while (true) await reader.read();
    });
    Deno.test("passes", () => {});
    Deno.test("takes its own time", { timeout: 20_000 }, () =>
      new Promise((resolve) => setTimeout(resolve, 2500)));
    `,
    { testTimeoutMs: 2000 },
  );
  assertEquals(counts, { passed: 2, failed: 3, skipped: 0 });
});

Deno.test("runTier ends a hook that hangs, and counts a failure", async () => {
  const counts = await runOf(
    `Deno.test.beforeAll(() => new Promise(() => setInterval(() => {}, 1000)));
     Deno.test("passes", () => {});`,
    { testTimeoutMs: 500 },
  );
  assertEquals(counts.failed, 1);
});

Deno.test("a test that limit_tests.ts registers fails with its own place in its file", async () => {
  const file = await Deno.makeTempFile({ suffix: "_test.ts" });
  await Deno.writeTextFile(file, `\n  Deno.test("fails", () => { throw new Error("no"); });\n`);
  const preload = new URL("limit_tests.ts?limit_ms=1000", import.meta.url);
  const command = [Deno.execPath(), "test", "--no-check", `--preload=${preload}`, file];
  const { code, output } = await runProgram(command);
  assertEquals(code, 1);
  assertMatch(output, /^fails => \S+_test\.ts:2:8$/m);
  await Deno.remove(file);
});

Deno.test({
  name: "runTier ends a tier that takes too long, with all that it started",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const pids = join(folder, "pids");
    const text =
      `const child = new Deno.Command("sleep", { args: ["600"], stdout: "null" }).spawn();
       Deno.writeTextFileSync(Deno.env.get("PIDS"), [Deno.pid, child.pid].join(" "));
       await child.status;
       Deno.test("is never reached", () => {});`;
    // Where it did not get so far as to start its child, it gets more time.
    let written = "";
    for (let timeoutMs = 5_000; written === ""; timeoutMs *= 2) {
      const counts = await runOf(text, { env: { PIDS: pids }, timeoutMs });
      assertEquals(counts, { passed: 0, failed: 1, skipped: 0 });
      written = await Deno.readTextFile(pids).catch(() => "");
    }
    const [tests, child] = written.split(" ").map(Number);
    await eventually(() => ![tests, child].some((pid = 0) => isRunning(pid)));
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("runTier of a tier without tests counts nothing", async () => {
  assertEquals(await runOf(undefined), NO_TESTS);
});

Deno.test("runTier finds the tests beside a workspace member as well as its own", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(root, "some", "member"), { recursive: true });
    await Deno.writeTextFile(join(root, "deno.json"), '{ "workspace": ["./some/member"] }');
    await Deno.writeTextFile(join(root, "some/member/deno.json"), "{}");
    for (const name of ["some/a_test.ts", "some/member/b_test.ts"]) {
      await Deno.writeTextFile(join(root, name), `Deno.test("passes", () => {});\n`);
    }
    const run = {
      root,
      env: {},
      isTypeChecked: false,
      output: "null",
      timeoutMs: 60_000,
    } as const;
    assertEquals(await runTier(TIER, run), { passed: 2, failed: 0, skipped: 0 });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
