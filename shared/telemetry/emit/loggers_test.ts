import { assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { telemetryTestOptions } from "../../../tests/kit/telemetry_options.ts";
import type { TelemetryOptions } from "../telemetry.ts";
import { startTelemetry } from "./start.ts";

/** The messages that a service with one span writes to its file. */
async function messagesInFile(options: Partial<TelemetryOptions>): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  const logFile = join(folder, "frontend.jsonl");
  const telemetry = startTelemetry(telemetryTestOptions("http://127.0.0.1:9/v1/traces", {
    exportEnabled: false,
    logFile,
    ...options,
  }));
  const span = telemetry.rootSpan("worker_start");
  span.log.warn("careful");
  span.log.info("by the way");
  span.end();
  await telemetry.shutdown("test", 1000);
  const text = await Deno.readTextFile(logFile).catch(() => "");
  await Deno.remove(folder, { recursive: true });
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).message);
}

Deno.test("a log file has span events beside the lines that the filter lets through", async () => {
  // Nothing of it is on stderr: the test's own output stays clean.
  assertEquals(await messagesInFile({ logFilter: "off" }), ["SPAN_FIRST_ENTRY", "SPAN_CLOSED"]);
});

Deno.test("span events can be filtered out by their target", async () => {
  assertEquals(await messagesInFile({ logFilter: "off,request_span=off" }), []);
});

Deno.test("level 0 has no spans, so no span events either", async () => {
  assertEquals(await messagesInFile({ logFilter: "off", level: 0 }), []);
});
