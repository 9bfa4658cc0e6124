import { assert, assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { sampleSpan, sampleTrace, START_MS } from "./testing/sample_trace.ts";
import { traceHtml } from "./trace_html.ts";
import { buildTree } from "./trace_tree.ts";

Deno.test("traceHtml has a row for every span with its details, and needs nothing else", () => {
  const html = traceHtml(buildTree(sampleTrace()));
  assertEquals(html.match(/<details /g)?.length, sampleTrace().length);
  assertStringIncludes(html, "POST /v1/chat/completions");
  assertStringIncludes(html, "<th>gen_ai.usage.output_tokens</th><td>8</td>");
  assertStringIncludes(html, "<th>event first_token</th><td>100.0 ms</td>");
  assertStringIncludes(html, "engine.decode [decode] 250.0 ms (63 %)");
  assert(!/https?:\/\/|<script|src=|@import|url\(/.test(html), "nothing is loaded");
});

Deno.test("traceHtml places spans in proportion, and marks path, holes and open ends", () => {
  const html = traceHtml(buildTree([
    sampleSpan({ id: "r", name: "root", at: [0, 200] }),
    sampleSpan({ id: "a", parent: "r", name: "a", at: [50, 150] }),
    sampleSpan({ id: "b", parent: "r", name: "b", at: [160] }),
  ]));
  assertStringIncludes(html, '<i class="bar" style="left:25.000%;width:50.000%"></i>');
  assertStringIncludes(html, '<i class="hole" style="left:0.000%;width:25.000%"></i>');
  assertStringIncludes(html, '<details class="hue0 path open">');
  assertStringIncludes(html, "without an end: b [frontend]");
});

Deno.test("traceHtml lets no text of a span become markup", () => {
  const evil = `</style><script>alert(1)</script>"'&`;
  const html = traceHtml(buildTree([sampleSpan({
    id: "r",
    name: evil,
    service: evil,
    at: [0, 5],
    more: {
      status: "error",
      statusMessage: evil,
      instance: evil,
      host: evil,
      attributes: { [evil]: evil, x_request_id: evil, "http.route": evil },
      events: [{ name: evil, timeUs: START_MS * 1000, attributes: { [evil]: [evil] } }],
      links: [{ traceId: evil, spanId: evil }],
    },
  })]));
  assert(!html.includes("<script"));
  assertEquals(html.split("</style>").length, 2);
});
