import { assert, assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { buildTree } from "./trace_tree.ts";
import { paintAnsi, paintPlain } from "./style.ts";
import { sampleId, sampleSpan, sampleTrace, START_MS } from "./testing/sample_trace.ts";
import { waterfallLines } from "./waterfall_text.ts";

function draw(spans: Parameters<typeof buildTree>[0], width: number): string {
  return waterfallLines(buildTree(spans), { width, paint: paintPlain })
    .map((line) => line.trimEnd()).join("\n");
}

const WHOLE = `\
4bf92f3577b34da6a3ce929d0e0e4736  POST /v1/chat/completions  tiny  success 200
400.0 ms from 2026-11-25 20:33:05.123 UTC, 14 spans of 3 services, first token 100.0 ms, 37 + 8
tokens, itl 10.0 ms, x-request-id my-req

                                    0                      200.0 ms               400.0 ms
  http-request             frontend ━━━━━━━━━━━━━◆━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  400.0 ms
* ├ preprocess             frontend █                                                        10.0 ms
  ├ prefill_routing        frontend  ━━━━━━━━━━━━━━━━━                                      120.0 ms
  │ └ router.route_request frontend  ░━━━━━━━━━━━━━━━░                                      120.0 ms
  │   └ handle_payload     prefill   ━━━━━━━━━━━━━━━━                                       116.0 ms
* │     ├ engine.prefill   prefill   ████████████                                            86.0 ms
  │     └ kv.send          prefill   ━━━━━━━━━━━━━━━━                                       112.0 ms
* │       └ kv.receive     decode                ████                                        24.0 ms
  ├ decode_routing         frontend  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     370.0 ms
* │ └ router.route_request frontend  ░━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     370.0 ms
  │   └ handle_payload     decode    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━     362.0 ms
  │     ├ kv.wait          decode    ████████████████                                       112.0 ms
* │     └ engine.decode    decode                    ██████████████████████████████████     250.0 ms
* └ http.stream            frontend              █████████████████████████████████████████  298.0 ms

Path       engine.decode [decode] 250.0 ms (63 %), engine.prefill [prefill] 86.0 ms (22 %),
           kv.receive [decode] 24.0 ms (6 %), http.stream [frontend] 18.0 ms (5 %), preprocess
           [frontend] 10.0 ms (3 %), router.route_request decode [frontend] 8.00 ms (2 %)
Holes      4.00 ms in router.route_request decode [frontend] before its first child, at 10.0 ms
           4.00 ms in router.route_request decode [frontend] after handle_payload, at 376.0 ms
Links      kv.wait [decode] → kv.receive [decode]
Events     first_token at 100.0 ms in http-request [frontend]`;

Deno.test("waterfallLines draws a disaggregated request with its path, holes, links and events", () => {
  assertEquals(draw(sampleTrace(), 100), WHOLE);
});

const KILLED = `\
4bf92f3577b34da6a3ce929d0e0e4736  POST /v1/chat/completions  tiny  success 200
400.0 ms from 2026-11-25 20:33:05.123 UTC, 12 spans of 3 services, first token
100.0 ms, 37 + 8 tokens, itl 10.0 ms, x-request-id my-req

                           0                200.0 ms          400.0 ms
  http-request             ━━━━━━━━━━◆━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  400.0 ms
* ├ preprocess             █                                             10.0 ms
* ├ decode_routing          ━━━━━━━━━━━━━━━━━━━━░░░░░░░░░░░░░░░░░░░░    370.0 ms
✗ │ └ router.route_request  ░━━━━━━━━━━━━━━━━━━━                        190.0 ms
  │   └ handle_payload      ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄                            open
* │     └ kv.wait           ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄                            open
* └ http.stream                      █████████████████████████████████  298.0 ms
  (missing span)            ┄┄┄┄┄┄┄┄┄┄┄┄┄
  └ router.route_request    ━━━━━━━━━━━━━                               120.0 ms
    └ handle_payload        ░━━━━━━━━━━━━                               116.0 ms
*     ├ engine.prefill      ██████████                                   86.0 ms
      └ kv.send             ━━━━━━━━━━━━━                               112.0 ms
*       └ kv.receive                 ███                                 24.0 ms

Path       decode_routing [frontend] 180.0 ms (45 %), engine.prefill [prefill]
           86.0 ms (22 %), kv.wait [decode] 70.0 ms (18 %), kv.receive [decode]
           24.0 ms (6 %), http.stream [frontend] 18.0 ms (5 %), preprocess
           [frontend] 10.0 ms (3 %)
Holes      180.0 ms in decode_routing [frontend] after router.route_request, at
           200.0 ms
           4.00 ms in router.route_request decode [frontend] before its first
           child, at 10.0 ms
Errors     router.route_request decode [frontend]: worker_lost: the worker is
           gone
Links      kv.wait [decode] → kv.receive [decode]
Events     first_token at 100.0 ms in http-request [frontend]
Note       A process was killed, or its log is cut; without an end:
           handle_payload [decode], kv.wait [decode]
           Span 3030303030307072 is not there, the parent of
           router.route_request: its log is missing, was cut, or its process was
           killed`;

Deno.test("waterfallLines on a narrow terminal says what failed, has no end and is missing", () => {
  const spans = sampleTrace((sample) => {
    const { id, at, more } = sample;
    if (id === "de" || id === "pr") return null;
    if (id === "dh" || id === "kw") return { ...sample, at: [at[0]] };
    if (id !== "drr") return sample;
    return {
      ...sample,
      at: [10, 200],
      more: {
        ...more,
        status: "error",
        statusMessage: "the worker is gone",
        attributes: { "error.type": "worker_lost", phase: "decode" },
      },
    };
  });
  assertEquals(draw(spans, 80), KILLED);
});

Deno.test("waterfallLines keeps every line of bars within the width, from 60 columns on", () => {
  for (const width of [20, 60, 61, 89, 90, 133, 400]) {
    const lines = waterfallLines(buildTree(sampleTrace()), { width, paint: paintPlain });
    for (const line of lines.slice(1)) {
      assert([...line].length <= Math.max(width, 60), `${width}: ${line}`);
    }
  }
});

Deno.test("waterfallLines in colour is the same text", () => {
  const tree = buildTree(sampleTrace());
  const colored = waterfallLines(tree, { width: 100, paint: paintAnsi }).join("\n");
  // deno-lint-ignore no-control-regex
  const plain = colored.replace(/\x1b\[[\d;]*m/g, "");
  assert(colored.length > plain.length);
  assertEquals(plain, waterfallLines(tree, { width: 100, paint: paintPlain }).join("\n"));
});

Deno.test("waterfallLines lets no text of a span reach the terminal as a control sequence", () => {
  const evil = "\x1b[2J\u009b31m\r\n\u202eend";
  const text = draw([sampleSpan({
    id: "root",
    name: evil,
    service: evil,
    at: [0, 5],
    more: {
      status: "error",
      statusMessage: evil,
      attributes: { "http.route": evil, "error.type": evil, x_request_id: evil },
      events: [{ name: evil, timeUs: START_MS * 1000, attributes: { [evil]: evil } }],
    },
  })], 100);
  assertEquals(text.match(/[\p{Cc}\p{Cf}]/gu)?.every((character) => character === "\n"), true);
});

Deno.test("waterfallLines draws a trace without duration and one of a single open span", () => {
  assertStringIncludes(
    draw([sampleSpan({ id: "a", name: "http-request", at: [0, 0] })], 100),
    "0 µs",
  );
  assertStringIncludes(
    draw([sampleSpan({ id: "a", name: "http-request", at: [0] })], 100),
    "running",
  );
});

Deno.test("waterfallLines names the request below its client's span, and a link to a span that is not there", () => {
  const spans = sampleTrace((sample) =>
    sample.id === "root" ? { ...sample, parent: "page" } : sample.id === "kr" ? null : sample
  );
  spans.push(sampleSpan({ id: "page", name: "chat.request", service: "page", at: [-5, 405] }));
  const text = draw(spans, 100);
  assertStringIncludes(text, "POST /v1/chat/completions  tiny  success 200\n410.0 ms from ");
  assertStringIncludes(text, "first token 100.0 ms");
  assertStringIncludes(text, `kv.wait [decode] → span ${sampleId("kr")} (not there)`);
});
