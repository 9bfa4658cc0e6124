import { assertEquals } from "@std/assert/mod.js";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { sampleTrace, START_MS } from "../../../shared/trace_view/testing/sample_trace.ts";
import { treeWith } from "./chat_answer.ts";
import { PageSpan } from "./page_span.ts";
import { createPageTracer, createSpanExporter } from "./page_tracer.ts";

const { tracer } = createPageTracer(createSpanExporter("http://127.0.0.1:1/"));

/** The page's span around the sample's request. */
const PAGE: ViewSpan = {
  ...new PageSpan(tracer, { model: "tiny", route: "/r" }).view(),
  startUs: (START_MS - 5) * 1000,
  endUs: (START_MS + 405) * 1000,
};

Deno.test("treeWith hangs spans whose parent is still running below the page's span", () => {
  const tree = treeWith(PAGE, sampleTrace((sample) => sample.id === "pp" ? sample : null));
  assertEquals(tree.roots.map(({ span }) => span.name), ["chat.request"]);
  assertEquals(tree.roots[0].children.map(({ span }) => span.name), ["engine.prefill"]);
  assertEquals(tree.notes, []);
});

Deno.test("treeWith keeps the trace as it is once its spans are there, and the page's span once", () => {
  const tree = treeWith(PAGE, [...sampleTrace(), PAGE]);
  assertEquals(tree.roots.map(({ span }) => span.name), ["chat.request"]);
  const [request, ...others] = tree.roots[0].children;
  assertEquals([request.span.name, others], ["http-request", []]);
  assertEquals(request.children.length > 2, true);
});
