import { assertEquals } from "@std/assert/mod.js";
import { extractContext } from "./extract.ts";
import { joinedHeaders, SPAN, TRACE, W3C_CASES } from "./testing/w3c_cases.ts";

for (const each of W3C_CASES) {
  const verb = each.isContinued ? "continues" : "does not continue";
  Deno.test(`extractContext ${verb} a trace with ${each.what}`, () => {
    const { parent } = extractContext(joinedHeaders(each), ["tracecontext"]);
    assertEquals(
      parent && [parent.traceId, parent.spanId, parent.isSampled, parent.tracestate],
      each.isContinued ? [TRACE, SPAN, each.isSampled, each.forwarded] : null,
    );
  });
}
