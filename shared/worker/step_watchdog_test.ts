import { assertEquals } from "@std/assert/mod.js";
import type { Logger } from "../telemetry/telemetry.ts";
import { StepWatchdog } from "./step_watchdog.ts";

class FakeEngine {
  readonly reasons: string[] = [];

  constructor(public stepStartedAtMs: number | null) {}

  end({ message }: Error): void {
    this.reasons.push(message);
    this.stepStartedAtMs = null;
  }
}

function logTo(lines: string[]): Logger {
  const line = (level: string) => (message: string) => lines.push(`${level}: ${message}`);
  return {
    trace: line("trace"),
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
}

const DAY_MS = 86_400_000;

Deno.test("StepWatchdog tells once of a step that does not end, and of its end", () => {
  const lines: string[] = [];
  const engine = new FakeEngine(1_000);
  using watchdog = new StepWatchdog(engine, { limitMs: DAY_MS, log: logTo(lines) });
  assertEquals(watchdog.runningMs(6_000), 5_000);
  for (let look = 0; look < 4; look++) watchdog.look();
  assertEquals([watchdog.isOverdue, lines], [false, []]);
  watchdog.look();
  watchdog.look();
  assertEquals(watchdog.isOverdue, true);
  assertEquals(lines, [
    "error: an engine step does not end: the worker is unhealthy until it does",
  ]);
  engine.stepStartedAtMs = null;
  assertEquals([watchdog.isOverdue, watchdog.runningMs(11_000)], [false, 0]);
  watchdog.look();
  watchdog.look();
  assertEquals(lines.slice(1), ["warn: the overdue engine step has ended"]);
  assertEquals(watchdog.isOverdue, false);
});

Deno.test("StepWatchdog minds neither many steps nor one that a pause of the process made long", () => {
  const lines: string[] = [];
  const engine = new FakeEngine(null);
  using watchdog = new StepWatchdog(engine, { limitMs: DAY_MS, log: logTo(lines) });
  for (let startMs = 0; startMs < 20; startMs++) {
    engine.stepStartedAtMs = startMs;
    watchdog.look();
  }
  // It began 20 ms after the clock did, long before now; one look has seen it.
  watchdog.look();
  assertEquals([watchdog.isOverdue, lines], [false, []]);
});

Deno.test("StepWatchdog never minds with a limit of 0", () => {
  const lines: string[] = [];
  using watchdog = new StepWatchdog(new FakeEngine(1), { limitMs: 0, log: logTo(lines) });
  assertEquals([watchdog.isOverdue, lines], [false, []]);
});

Deno.test("StepWatchdog ends the engine, once, of a step that lasts for five times its limit", () => {
  const lines: string[] = [];
  const engine = new FakeEngine(1_000);
  using watchdog = new StepWatchdog(engine, { limitMs: 60_000, log: logTo(lines) });
  for (let look = 0; look < 20; look++) watchdog.look();
  assertEquals([engine.reasons, watchdog.isOverdue], [[], true]);
  watchdog.look();
  watchdog.look();
  assertEquals(engine.reasons, [
    "Cannot go on: an engine step has not ended in 300 s. Its device or driver hangs: start the " +
    "worker again. Where steps are honestly that long, raise DYN_STEP_TIMEOUT_MS",
  ]);
  assertEquals(lines, [
    "error: an engine step does not end: the worker is unhealthy until it does",
  ]);
});
