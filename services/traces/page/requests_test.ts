import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { parseQuery } from "../../../shared/traceql/mod.ts";
import { isWantedNow, type RequestFilters, requestQuery, requestSpanset } from "./requests.ts";

const NONE: RequestFilters = { outcome: "", minMs: "", model: "", traceql: "" };

Deno.test("requestQuery is TraceQL for every choice of filters", () => {
  for (const outcome of ["", "error"]) {
    for (const minMs of ["", "250", "0.5"]) {
      for (const model of ["", "tiny", `a"b\\c`]) {
        parseQuery(requestQuery({ ...NONE, outcome, minMs, model }));
      }
    }
  }
  const spanset =
    `{ name = "http-request" && span.request.outcome = "error" && duration >= 250ms }`;
  assertEquals(requestSpanset({ ...NONE, outcome: "error", minMs: "250" }), spanset);
  assertStringIncludes(
    requestQuery({ ...NONE, outcome: "error", minMs: "250" }),
    `(${spanset} || (${spanset} && { name = "engine.decode" })) | select(`,
  );
});

Deno.test("requestQuery adds the columns to a query of one's own unless it has a pipeline", () => {
  const own = requestQuery({
    ...NONE,
    outcome: "error",
    traceql: ` { name = "a" || name = "b" } `,
  });
  assertStringIncludes(own, `{ name = "a" || name = "b" } | select(span.request.outcome,`);
  parseQuery(own);
  assertEquals(requestQuery({ ...NONE, traceql: "{} | count() > 2" }), "{} | count() > 2");
  assertEquals(requestSpanset({ ...NONE, traceql: "{} | count() > 2" }), null);
});

Deno.test("isWantedNow takes what runs by model and age, and nothing where only what ended can match", () => {
  const request = { ageMs: 700, model: "tiny" };
  const wanted = (changes: Partial<RequestFilters>) =>
    isWantedNow(request, { ...NONE, ...changes });
  assertEquals([wanted({}), wanted({ traceql: " " })], [true, true]);
  assertEquals([wanted({ minMs: "700" }), wanted({ minMs: "701" })], [true, false]);
  assertEquals([wanted({ model: "tiny" }), wanted({ model: "other" })], [true, false]);
  assertEquals([wanted({ outcome: "success" }), wanted({ traceql: "{}" })], [false, false]);
});
