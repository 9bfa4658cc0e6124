import { assertEquals } from "@std/assert/mod.js";
import { LineLogger, parseLogFilter } from "../log/mod.ts";
import { AttributeGuard } from "./attribute_guard.ts";

function createGuard() {
  const lines: Record<string, unknown>[] = [];
  const log = new LineLogger({
    target: "telemetry",
    filter: parseLogFilter("debug"),
    outputs: [{
      line: { isJsonl: true, useLocalTz: false },
      sink: (line) => lines.push(JSON.parse(line)),
    }],
  });
  return { guard: new AttributeGuard(log), lines };
}

Deno.test("AttributeGuard accepts declared attributes and those of any role", () => {
  const { guard } = createGuard();
  const attributes = { "kv.bytes": 3, "kv.wire_ms": 1.5, "error.type": "timeout" };
  assertEquals(guard.accept("kv_send", attributes, 1), attributes);
  assertEquals(guard.rejected, 0);
});

Deno.test("AttributeGuard leaves out unknown names and wrong types, counts all, tells each once", () => {
  const { guard, lines } = createGuard();
  for (let i = 0; i < 3; i++) {
    const attributes = { "kv.bytes": "3", colour: "red", "kv.blocks": 1 };
    assertEquals(guard.accept("kv_send", attributes, 1), { "kv.blocks": 1 });
  }
  assertEquals(guard.rejected, 6);
  assertEquals(lines.map(({ level, what, why }) => [level, what, why]), [
    ["DEBUG", "attribute kv.bytes", "not int"],
    ["DEBUG", "attribute colour", "unknown"],
  ]);
});

Deno.test("AttributeGuard ignores attributes that are undefined", () => {
  const { guard } = createGuard();
  assertEquals(guard.accept("kv_send", { "kv.bytes": undefined, colour: undefined }, 1), {});
  assertEquals(guard.rejected, 0);
});

Deno.test("AttributeGuard records attributes of a deeper level only at that level", () => {
  const attributes = { "router.candidates": 2, "router.candidate_ids": ["a", "b"] };
  const { guard } = createGuard();
  assertEquals(guard.accept("select_worker", attributes, 1), { "router.candidates": 2 });
  assertEquals(guard.accept("select_worker", attributes, 2), attributes);
});

Deno.test("AttributeGuard knows the events of a role", () => {
  const { guard } = createGuard();
  assertEquals(guard.acceptsEvent("engine_decode", "first_token"), true);
  assertEquals(guard.acceptsEvent("engine_decode", "sneeze"), false);
  assertEquals(guard.acceptsEvent("kv_send", "toString"), false);
  assertEquals(guard.rejected, 2);
});
