import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { DOCTOR_HELP, HELP, parseOptions, UsageError } from "./options.ts";

Deno.test("parseOptions without arguments runs one worker of each role and may install", () => {
  assertEquals(parseOptions([]), {
    command: "run",
    canInstall: true,
    model: undefined,
    port: undefined,
    prefillCount: 1,
    decodeCount: 1,
    hasTraces: true,
    frontendUrl: undefined,
    tempoUrl: undefined,
    isJson: false,
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
    frontendUrl: undefined,
    tempoUrl: undefined,
    isJson: false,
  });
});

Deno.test("parseOptions knows doctor and help", () => {
  assertEquals(parseOptions(["doctor", "--model", "x.gguf"]).command, "doctor");
  assertEquals(parseOptions(["--help"]).command, "help");
  assertEquals(parseOptions(["doctor", "-h"]).command, "doctor help");
});

Deno.test("parseOptions reads the doctor's own options", () => {
  const { command, isJson, frontendUrl, tempoUrl } = parseOptions([
    ...["doctor", "--dump", "--json", "--frontend", "http://a:8000", "--tempo=https://b/tempo"],
  ]);
  assertEquals([command, isJson], ["dump", true]);
  assertEquals([frontendUrl, tempoUrl], ["http://a:8000", "https://b/tempo"]);
});

Deno.test("parseOptions refuses what it does not know, with what to do", () => {
  const cases: [string[], string][] = [
    [["--modle", "x"], "--modle"],
    [["-x"], "-x"],
    [["up"], "the only command is doctor"],
    [["doctor", "now"], "the only command is doctor"],
    [["--model", ""], "needs a value"],
    [["--dump"], "only the doctor takes it"],
    [["--frontend", "http://a:8000"], "only the doctor takes it"],
    [["doctor", "--frontend", "a:8000"], "use an http:// or https:// URL"],
    [["doctor", "--tempo", ""], "use an http:// or https:// URL"],
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

Deno.test("DOCTOR_HELP names every option of the doctor", () => {
  const ofStart = ["--model", "--port", "--no-traces"];
  for (const flag of ["--dump", "--json", "--frontend", "--tempo", ...ofStart, "--help"]) {
    assertEquals(DOCTOR_HELP.includes(`  ${flag} `), true, flag);
  }
});
