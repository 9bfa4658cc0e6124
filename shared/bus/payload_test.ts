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
