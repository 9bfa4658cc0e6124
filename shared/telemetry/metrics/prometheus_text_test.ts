import { assertEquals } from "@std/assert/mod.js";
import { toPrometheusText } from "./prometheus_text.ts";

Deno.test("toPrometheusText names counters in full, and drops exemplars and the end mark", () => {
  const open = [
    "# HELP a_requests Requests # {x} 1 2",
    "# TYPE a_requests counter",
    'a_requests_total{model="# {m} 1"} 3',
    "# HELP a_seconds Time",
    "# TYPE a_seconds histogram",
    'a_seconds_bucket{le="0.1",model="m"} 1 # {trace_id="0af7"} 0.05 1795636540.438',
    'a_seconds_bucket{le="+Inf",model="m"} 1',
    "# EOF",
    "",
  ];
  assertEquals(toPrometheusText(open.join("\n")).split("\n"), [
    "# HELP a_requests_total Requests # {x} 1 2",
    "# TYPE a_requests_total counter",
    'a_requests_total{model="# {m} 1"} 3',
    "# HELP a_seconds Time",
    "# TYPE a_seconds histogram",
    'a_seconds_bucket{le="0.1",model="m"} 1',
    'a_seconds_bucket{le="+Inf",model="m"} 1',
    "",
  ]);
});
