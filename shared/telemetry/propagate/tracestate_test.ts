import { assertEquals } from "@std/assert/mod.js";
import { parseTracestate } from "./tracestate.ts";

Deno.test("parseTracestate gives null for no header and an empty one", () => {
  assertEquals(parseTracestate(undefined), null);
  assertEquals(parseTracestate(""), null);
  assertEquals(parseTracestate(" , "), null);
});

for (const member of ["foo=\u00e9", "foo=a\u0000", "foo=a\n"]) {
  Deno.test(`parseTracestate discards the whole list of ${JSON.stringify(member)}`, () => {
    assertEquals(parseTracestate(`ok=1,${member}`), null);
  });
}
