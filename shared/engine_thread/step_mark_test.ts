import { assertEquals } from "@std/assert/mod.js";
import { StepMark } from "./step_mark.ts";

Deno.test("StepMark shows the start of the step in progress to whoever shares its memory", () => {
  const thread = new StepMark();
  const main = new StepMark(thread.buffer);
  assertEquals(main.startedAtMs, null);
  thread.begin(1_700_000_000_000.4);
  assertEquals(main.startedAtMs, 1_700_000_000_000);
  thread.end();
  assertEquals(main.startedAtMs, null);
});
