/** The variables of the simulated engine: what it pretends to take, and what it pretends to suffer. */

import { choice, integer, number, text } from "./value_schemas.ts";
import { type Service, variable } from "./variable.ts";

const WORKERS: readonly Service[] = ["prefill", "decode"];

/** `fail@3,lost@9,crash@9,slow@5:2000`. */
const FAULT = String.raw`(?:(?:fail|lost|crash)@\d+|slow@\d+:\d+)`;
const FAULTS = new RegExp(`^${FAULT}(?:,${FAULT})*$`);

export const SIMULATED_VARIABLES = {
  DYN_ENGINE: variable(
    ["prefill", "decode", "start"],
    choice(["device", "simulated"], "device"),
    "`device`",
    "`device` computes `DYN_MODEL` on `DYN_DEVICE`; `simulated` computes nothing and answers with " +
      "made-up text, to load and test everything around the engine",
  ),
  DYN_SIM_STEP_US: variable(
    WORKERS,
    integer(10_000, 0, 60_000_000),
    "`10000`",
    "Simulated engine: time of a step, microseconds",
  ),
  DYN_SIM_ROW_US: variable(
    WORKERS,
    integer(100, 0, 60_000_000),
    "`100`",
    "Simulated engine: time that each decode row adds to a step, microseconds",
  ),
  DYN_SIM_PREFILL_TOKEN_US: variable(
    WORKERS,
    integer(100, 0, 60_000_000),
    "`100`",
    "Simulated engine: time that each prompt token adds to a step, microseconds",
  ),
  DYN_SIM_SPEEDUP: variable(
    WORKERS,
    number(1, 0.001, 1_000_000),
    "`1`",
    "Simulated engine: divides all its times",
  ),
  DYN_SIM_JITTER_PERCENT: variable(
    WORKERS,
    integer(0, 0, 100),
    "`0`",
    "Simulated engine: most that a step's time differs from its plan, either way, percent",
  ),
  DYN_SIM_SEED: variable(
    WORKERS,
    integer(0, 0, 0xffffffff),
    "`0`",
    "Simulated engine: seed of the jitter",
  ),
  DYN_SIM_ANSWER_TOKENS: variable(
    WORKERS,
    integer(200, 0, 1_000_000),
    "`200`",
    "Simulated engine: mean length of an answer that nothing else ends; 0 never ends one",
  ),
  DYN_SIM_CONTEXT_TOKENS: variable(
    WORKERS,
    integer(8192, 64, 1_000_000),
    "`8192`",
    "Simulated engine: tokens of prompt and answer together",
  ),
  DYN_SIM_KV_TOKEN_BYTES: variable(
    WORKERS,
    integer(8, 8, 1_048_576),
    "`8`",
    "Simulated engine: KV bytes of a token, rounded up to a multiple of 8; 23040 is as much as " +
      "SmolLM2-135M's",
  ),
  DYN_SIM_FAULTS: variable(
    WORKERS,
    text(
      "",
      {
        pattern: FAULTS,
        hint: "use fail@STEP, lost@STEP, crash@STEP and slow@STEP:MILLISECONDS, joined by commas",
      },
    ),
    "none",
    "Simulated engine: `fail@STEP` makes that step fail, `lost@STEP` loses the device after it, " +
      "`crash@STEP` ends its thread by an error that nobody catches, `slow@STEP:MILLISECONDS` " +
      "makes it take longer; steps count from 1",
  ),
} as const;
