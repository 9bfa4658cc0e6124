import { assertEquals } from "@std/assert/mod.js";
import type { Logger } from "../telemetry/telemetry.ts";
import { StepWatchdog } from "./step_watchdog.ts";

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

Deno.test("StepWatchdog tells once of a step that does not end, and of its end", () => {
  const lines: string[] = [];
  const engine: { stepStartedAtMs: number | null } = { stepStartedAtMs: 1_000 };
  using watchdog = new StepWatchdog(engine, { limitMs: 5_000, log: logTo(lines) });
  watchdog.look(6_000);
  assertEquals([watchdog.isOverdue(6_000), watchdog.runningMs(6_000), lines], [false, 5_000, []]);
  watchdog.look(6_001);
  watchdog.look(9_000);
  assertEquals(watchdog.isOverdue(9_000), true);
  assertEquals(lines, [
    "error: an engine step does not end: the worker is unhealthy until it does",
  ]);
  engine.stepStartedAtMs = null;
  watchdog.look(10_000);
  watchdog.look(11_000);
  assertEquals(lines.slice(1), ["warn: the overdue engine step has ended"]);
  assertEquals([watchdog.isOverdue(11_000), watchdog.runningMs(11_000)], [false, 0]);
});

Deno.test("StepWatchdog never minds with a limit of 0", () => {
  const lines: string[] = [];
  using watchdog = new StepWatchdog({ stepStartedAtMs: 1 }, { limitMs: 0, log: logTo(lines) });
  watchdog.look(1e12);
  assertEquals([watchdog.isOverdue(1e12), lines], [false, []]);
});
