import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { Random, randomTrace } from "../trace_store/testing/random_traces.ts";
import { OtlpError } from "./errors.ts";
import { tracesJsonToProtobuf } from "./json_to_protobuf.ts";
import { tracesToJson } from "./protobuf_to_json.ts";
import { readSpans, readStoredSpans } from "./span_reader.ts";
import { encodeSpans } from "./testing/encode_spans.ts";
import { WireWriter } from "./wire_writer.ts";

Deno.test("readSpans() reads back what was encoded", () => {
  const random = new Random(7);
  for (let index = 0; index < 200; index++) {
    const spans = randomTrace(random, index);
    assertEquals(readSpans(encodeSpans(spans)), spans);
  }
});

Deno.test("readStoredSpans() reads the same, lists too when they are asked for", () => {
  const random = new Random(9);
  for (let index = 0; index < 200; index++) {
    const spans = randomTrace(random, index);
    const stored = readStoredSpans(encodeSpans(spans)).map((span) => {
      const { attributes, events, links } = span;
      return { ...span, attributes, events, links };
    });
    assertEquals(stored, spans);
  }
});

Deno.test("readSpans() of random and cut bytes ends in spans or an OtlpError", () => {
  const random = new Random(8);
  const valid = encodeSpans(randomTrace(random, 1));
  for (let round = 0; round < 3000; round++) {
    const bytes = valid.slice(0, random.below(valid.length + 1));
    for (let change = random.below(4); change > 0; change--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    try {
      readSpans(bytes);
    } catch (error) {
      if (!(error instanceof OtlpError)) throw error;
    }
  }
});

Deno.test("readSpans() refuses ids of the wrong length and values that nest too deep", () => {
  const withSpan = (write: (writer: WireWriter) => void) => {
    const writer = new WireWriter();
    writer.message(1, () => writer.message(2, () => writer.message(2, () => write(writer))));
    return writer.finish();
  };
  for (const [field, length] of [[1, 8], [1, 17], [2, 4], [4, 16]]) {
    assertThrows(
      () => readSpans(withSpan((writer) => writer.bytes(field, new Uint8Array(length)))),
      OtlpError,
      "Cannot read an id",
    );
  }
  const nest = (writer: WireWriter, depth: number): void => {
    if (depth === 0) writer.bool(2, true);
    else writer.message(5, () => writer.message(1, () => nest(writer, depth - 1)));
  };
  const nested = (depth: number) =>
    withSpan((writer) => writer.message(9, () => writer.message(2, () => nest(writer, depth))));
  assertEquals(readSpans(nested(32)).length, 1);
  assertThrows(() => readSpans(nested(33)), OtlpError, "nest deeper than 32");
  assertThrows(() => readSpans(nested(1_000)), OtlpError);
});

Deno.test("a message over 127 bytes keeps its content when the buffer grows", () => {
  for (let length = 0; length < 3000; length += 7) {
    const writer = new WireWriter();
    const text = "é".repeat(length);
    writer.message(
      1,
      () => writer.message(2, () => writer.message(2, () => writer.string(5, text))),
    );
    assertEquals(readSpans(writer.finish())[0].name, text);
  }
});

Deno.test("64-bit integers survive both encodings", () => {
  for (const text of ["0", "-1", "9223372036854775807", "-9223372036854775808", "4294967296"]) {
    const bytes = tracesJsonToProtobuf(JSON.stringify({
      resourceSpans: [{ resource: { attributes: [{ key: "n", value: { intValue: text } }] } }],
    }));
    assertEquals(tracesToJson(bytes), [{
      resource: { attributes: [{ key: "n", value: { intValue: text } }] },
    }]);
  }
});
