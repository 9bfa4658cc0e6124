import { assertEquals } from "@std/assert/mod.js";
import { RequestTicker } from "./request_ticker.ts";
import { paintPlain } from "./style.ts";
import { sampleSpan, sampleTrace } from "./testing/sample_trace.ts";

Deno.test("RequestTicker tells the start at once and the end with its stages when all was read", () => {
  const ticker = new RequestTicker(paintPlain);
  const entry = sampleSpan({
    id: "root",
    name: "http-request",
    at: [0],
    more: { attributes: { "http.request.method": "POST", "http.route": "/v1/completions" } },
  });
  assertEquals(ticker.add(entry), "20:33:05.123  4bf92f35  started  POST /v1/completions");
  // The request's own span ends before a worker's last line is read.
  for (const span of sampleTrace()) assertEquals(ticker.add(span), null);
  assertEquals(ticker.flush(), [
    "20:33:05.123  4bf92f35  success 200  400.0 ms  first token 100.0 ms, 37 + 8 tokens, " +
    "itl 10.0 ms  prefill 86.0 ms, kv 112.0 ms, decode 250.0 ms  my-req",
  ]);
  assertEquals(ticker.flush(), []);
});

Deno.test("RequestTicker tells what failed and after how many attempts", () => {
  const ticker = new RequestTicker(paintPlain);
  ticker.add(sampleSpan({
    id: "root",
    name: "http-request",
    at: [0, 5],
    more: {
      status: "error",
      statusMessage: "Cannot reach\na worker",
      attributes: {
        attempts: 3,
        "request.outcome": "error",
        "http.response.status_code": 503,
        "error.type": "overload",
      },
    },
  }));
  assertEquals(ticker.flush(), [
    "20:33:05.123  4bf92f35  error 503 overload  5.00 ms  3 attempts  Cannot reach a worker",
  ]);
});
