import { assertEquals } from "@std/assert/mod.js";
import { cancellationHeaders, cancellationSignal } from "./cancellation.ts";

Deno.test("cancellationSignal() reads what cancellationHeaders() wrote, and nothing else", () => {
  assertEquals(cancellationSignal(cancellationHeaders("stop_string")), "stop_string");
  assertEquals(cancellationSignal({}), null);
  assertEquals(cancellationSignal({ "x-cancellation-signal": "made up\n" }), null);
});
