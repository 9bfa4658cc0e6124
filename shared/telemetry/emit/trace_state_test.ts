import { assertEquals } from "@std/assert/mod.js";
import { ForwardedTraceState } from "./trace_state.ts";

const LIST = "rojo=00f067aa0ba902b7,t@congo=a b";

Deno.test("ForwardedTraceState serializes what it parsed, whatever its length", () => {
  const long = Array.from({ length: 32 }, (_, i) => `k${i}=${"v".repeat(200)}`).join(",");
  assertEquals(ForwardedTraceState.parse(LIST).serialize(), LIST);
  assertEquals(ForwardedTraceState.parse(long).serialize(), long);
});

Deno.test("ForwardedTraceState puts a member that is set first and leaves itself unchanged", () => {
  const state = ForwardedTraceState.parse(LIST);
  assertEquals(state.set("t@congo", "1").serialize(), "t@congo=1,rojo=00f067aa0ba902b7");
  assertEquals(state.unset("rojo").serialize(), "t@congo=a b");
  assertEquals(state.get("rojo"), "00f067aa0ba902b7");
  assertEquals(state.get("none"), undefined);
});
