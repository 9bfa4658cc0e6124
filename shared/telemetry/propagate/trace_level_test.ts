import { assertEquals } from "@std/assert/mod.js";
import { requestedLevel } from "./trace_level.ts";

Deno.test("requestedLevel reads Baton's own member, wherever it stands", () => {
  assertEquals(requestedLevel("baton=l:3"), 3);
  assertEquals(requestedLevel("rojo=1,baton=l:2,congo=l:1"), 2);
  assertEquals(requestedLevel("baton=x:9;l:1"), 1);
});

Deno.test("requestedLevel asks for nothing where no level from 1 to 3 is named", () => {
  for (const tracestate of ["", "rojo=l:3", "baton=l:0", "baton=l:4", "baton=l:33", "baton=3"]) {
    assertEquals(requestedLevel(tracestate), null, tracestate);
  }
});
