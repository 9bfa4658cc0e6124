import { assertEquals } from "@std/assert/mod.js";
import { parseLogFilter } from "./filter.ts";
import { LineLogger } from "./logger.ts";

function recordingLogger(filter: string) {
  const lines: Record<string, unknown>[] = [];
  const logger = new LineLogger({
    target: "frontend",
    filter: parseLogFilter(filter),
    outputs: [{
      line: { isJsonl: true, useLocalTz: false },
      sink: (line) => lines.push(JSON.parse(line)),
    }],
  });
  return { logger, lines };
}

Deno.test("LineLogger writes the levels that its target's filter lets through", () => {
  const { logger, lines } = recordingLogger("error,frontend=info");
  for (const level of ["trace", "debug", "info", "warn", "error"] as const) logger[level](level);
  assertEquals(lines.map((line) => line.level), ["INFO", "WARN", "ERROR"]);
});

Deno.test("LineLogger writes nothing for a target that is off", () => {
  const { logger, lines } = recordingLogger("frontend=off");
  logger.error("never");
  assertEquals(lines, []);
});

Deno.test("LineLogger withTarget follows the other target's filter", () => {
  const { logger, lines } = recordingLogger("info,bus=debug");
  logger.debug("no");
  logger.withTarget("bus").debug("yes");
  assertEquals(lines.map(({ target, message }) => [target, message]), [["bus", "yes"]]);
});

Deno.test("LineLogger withIds puts the span's ids on every line", () => {
  const { logger, lines } = recordingLogger("info");
  const ids = { trace_id: "t", span_id: "s", span_name: "n" };
  logger.withIds(ids).info("in", { a: 1 });
  logger.info("out");
  assertEquals(lines.map((line) => [line.message, line.trace_id, line.a]), [
    ["in", "t", 1],
    ["out", undefined, undefined],
  ]);
});
