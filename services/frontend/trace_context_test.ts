import { assertEquals } from "@std/assert/mod.js";
import { traceContextOf } from "./trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const OTHER = "11111111111111111111111111111111";

Deno.test("traceContextOf tells a continued trace from one that was ignored and from none", () => {
  const cases: [Record<string, string>, string, string][] = [
    [{}, TRACE, "absent"],
    [{ traceparent: `00-${TRACE}-b7ad6b7169203331-01` }, TRACE, "continued"],
    [{ traceparent: `00-${TRACE}-b7ad6b7169203331-01` }, OTHER, "ignored"],
    [{ traceparent: "00-bad" }, OTHER, "ignored"],
    [{ b3: `${TRACE.slice(16).toUpperCase()}-b7ad6b7169203331-1` }, TRACE, "continued"],
    [{ "x-b3-traceid": TRACE, "x-b3-spanid": "b7ad6b7169203331" }, TRACE, "continued"],
  ];
  for (const [headers, traceId, expected] of cases) {
    assertEquals(traceContextOf(new Headers(headers), traceId), expected);
  }
});
