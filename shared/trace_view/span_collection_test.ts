import { assertEquals } from "@std/assert/mod.js";
import { brokenLinesNote, SpanCollection } from "./span_collection.ts";

function line(message: string, spanId: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    time: "2026-11-24T17:23:49.000000Z",
    message,
    trace_id: "0af7651916cd43dd8448eb211c80319c",
    span_id: spanId,
    span_name: "preprocess",
    "time.start_us": 1000,
    ...more,
  });
}

const A = "00000000000000aa";
const B = "00000000000000bb";
const END = { "time.duration_us": 5 };

Deno.test("SpanCollection keeps each span once, its end before its beginning, in any order", () => {
  const lines = [
    line("SPAN_FIRST_ENTRY", A),
    line("SPAN_CLOSED", A, END),
    line("SPAN_FIRST_ENTRY", B),
  ];
  for (const order of [lines, lines.toReversed(), [...lines, ...lines]]) {
    const collection = new SpanCollection();
    for (const text of order) collection.addLine(text, "f");
    const ends = Object.fromEntries(collection.spans.map(({ spanId, endUs }) => [spanId, endUs]));
    assertEquals(ends, { [A]: 1005, [B]: null });
  }
});

Deno.test("SpanCollection returns what is new only", () => {
  const collection = new SpanCollection();
  const told = [
    line("SPAN_FIRST_ENTRY", A),
    line("SPAN_FIRST_ENTRY", A),
    line("SPAN_CLOSED", A, END),
    line("SPAN_CLOSED", A, { "time.duration_us": 9 }),
    line("request received", A),
  ].map((text) => collection.addLine(text, "f")?.endUs);
  assertEquals(told, [null, undefined, 1005, undefined, undefined]);
});

Deno.test("SpanCollection counts the span lines of each file that cannot be read", () => {
  const collection = new SpanCollection();
  const cut = line("SPAN_CLOSED", A, END).slice(0, 90);
  for (const source of ["prefill", "decode", "prefill"]) collection.addLine(cut, source);
  collection.addLine("[WRN] another program", "nats");
  assertEquals(
    brokenLinesNote(collection.brokenLines),
    "Span lines that are cut off or damaged, and left out: 2 in prefill, 1 in decode",
  );
  assertEquals(brokenLinesNote(new Map()), null);
});
