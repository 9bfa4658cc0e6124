import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { ConfigError, loadSettings } from "../config/mod.ts";
import { simulationOf } from "./simulation_settings.ts";

Deno.test("simulationOf() reads times in milliseconds and faults by step", () => {
  const simulation = simulationOf(loadSettings({
    DYN_SIM_STEP_US: "2500",
    DYN_SIM_JITTER_PERCENT: "25",
    DYN_SIM_SPEEDUP: "0.5",
    DYN_SIM_FAULTS: "fail@3,lost@9,crash@7,slow@5:2000",
  }));
  assertEquals([simulation.stepMs, simulation.jitter, simulation.speedup], [2.5, 0.25, 0.5]);
  assertEquals(simulation.faults, [
    { kind: "fail", step: 3 },
    { kind: "lost", step: 9 },
    { kind: "crash", step: 7 },
    { kind: "slow", step: 5, extraMs: 2000 },
  ]);
  assertEquals(simulationOf(loadSettings({})).faults, []);
});

Deno.test("DYN_SIM_* variables with wrong values are refused by name", () => {
  for (const DYN_SIM_FAULTS of ["fail", "slow@3", "fail@3:4", "fail@1,,lost@2", "melt@1"]) {
    assertThrows(() => loadSettings({ DYN_SIM_FAULTS }), ConfigError, "use fail@STEP");
  }
  assertThrows(() => loadSettings({ DYN_SIM_SPEEDUP: "0" }), ConfigError, "from 0.001");
  assertThrows(() => loadSettings({ DYN_ENGINE: "fake" }), ConfigError, "device, simulated");
});
