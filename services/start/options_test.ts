import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { HELP, parseOptions, UsageError } from "./options.ts";

Deno.test("parseOptions without arguments runs one worker of each role and may install", () => {
  assertEquals(parseOptions([]), {
    command: "run",
    canInstall: true,
    model: undefined,
    port: undefined,
    prefillCount: 1,
    decodeCount: 1,
    hasTraces: true,
  });
});

Deno.test("parseOptions reads every option", () => {
  const args = ["--no-install", "--no-traces", "--model", "hf:a/b", "--port=0"];
  args.push("--prefill", "0", "--decode", "3");
  assertEquals(parseOptions(args), {
    command: "run",
    canInstall: false,
    model: "hf:a/b",
    port: 0,
    prefillCount: 0,
    decodeCount: 3,
    hasTraces: false,
  });
});

Deno.test("parseOptions knows doctor and help", () => {
  assertEquals(parseOptions(["doctor", "--model", "x.gguf"]).command, "doctor");
  assertEquals(parseOptions(["--help"]).command, "help");
  assertEquals(parseOptions(["doctor", "-h"]).command, "help");
});

Deno.test("parseOptions refuses what it does not know, with what to do", () => {
  const cases: [string[], string][] = [
    [["--modle", "x"], "--modle"],
    [["-x"], "-x"],
    [["up"], "the only command is doctor"],
    [["doctor", "now"], "the only command is doctor"],
    [["--model", ""], "needs a value"],
    [["--port", "http"], "a whole number from 0 to 65535"],
    [["--port=-1"], "a whole number from 0 to 65535"],
    [["--port", "65536"], "a whole number from 0 to 65535"],
    [["--decode", "0"], "a whole number from 1 to 64"],
    [["--prefill", "1.5"], "a whole number from 0 to 64"],
    [["--prefill", ""], "a whole number from 0 to 64"],
  ];
  for (const [args, hint] of cases) assertThrows(() => parseOptions(args), UsageError, hint);
});

Deno.test("HELP names every option", () => {
  for (
    const flag of [
      "--model",
      "--port",
      "--prefill",
      "--decode",
      "--no-traces",
      "--no-install",
      "--help",
    ]
  ) {
    assertEquals(HELP.includes(`  ${flag} `), true, flag);
  }
});
