import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { decodePayload, encodePayload } from "./payload.ts";

Deno.test("decodePayload() gives back what encodePayload() took", () => {
  for (
    const value of [
      { a: [1, -1, 0xffffffff, 1.5, 2 ** 40], b: "ü😀", c: null, d: true, e: { f: [] } },
      [],
      "",
      0,
      false,
      null,
    ]
  ) {
    assertEquals(decodePayload(encodePayload(value)), value);
  }
});

Deno.test("encodePayload() leaves undefined properties out", () => {
  assertEquals(decodePayload(encodePayload({ a: 1, b: undefined })), { a: 1 });
});

Deno.test("decodePayload() copies byte strings out of the buffer they came in", () => {
  const encoded = encodePayload({ bytes: new Uint8Array([1, 2, 3]) });
  const decoded = decodePayload(encoded) as { bytes: Uint8Array };
  encoded.fill(0);
  assertEquals(decoded.bytes, new Uint8Array([1, 2, 3]));
});

Deno.test("decodePayload() reads an empty payload as undefined", () => {
  assertEquals(decodePayload(new Uint8Array()), undefined);
});

Deno.test("decodePayload() throws a TypeError on what is not msgpack", () => {
  assertThrows(() => decodePayload(new Uint8Array([0xc1])), TypeError, "not msgpack");
  assertThrows(() => decodePayload(new Uint8Array([0x92, 1])), TypeError, "not msgpack");
});

Deno.test("decodePayload() refuses nested lengths that the payload cannot hold, before allocating", () => {
  const nested = new Uint8Array(5 * 200);
  for (let at = 0; at < nested.length; at += 5) nested.set([0xdd, 0x01, 0xe0, 0, 0], at);
  assertThrows(() => decodePayload(nested), TypeError, "not msgpack");
});

Deno.test("decodePayload() throws a TypeError on a payload that is cut off anywhere", () => {
  const lengths = [3, 40, 300, 70_000].map((length) => "x".repeat(length));
  const encoded = encodePayload({
    a: [1, 300, 70_000, 1.5, null, true],
    b: lengths,
    c: new Date(5),
  });
  for (let end = 1; end < encoded.length; end += end < 500 ? 1 : 997) {
    assertThrows(() => decodePayload(encoded.slice(0, end)), TypeError, "not msgpack");
  }
});

Deno.test("decodePayload() reads every size class of msgpack", () => {
  for (const length of [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536]) {
    const value = {
      text: "x".repeat(length),
      bytes: new Uint8Array(length),
      list: Array.from({ length }, (_, i) => i - 40_000),
      map: Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i * 1.5])),
      date: new Date(length * 1e9),
    };
    assertEquals(decodePayload(encodePayload(value)), value);
  }
});
