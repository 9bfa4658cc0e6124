import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { TransferError } from "./bus.ts";
import { encodePayload } from "./payload.ts";
import {
  chunkBytesUnder,
  decodeAbort,
  decodePartHeader,
  decodeTrailer,
  MAX_CHUNK_BYTES,
} from "./transfer_message.ts";

Deno.test("chunkBytesUnder() leaves room for headers and is capped", () => {
  assertEquals(chunkBytesUnder(8 << 20), MAX_CHUNK_BYTES);
  assertEquals(chunkBytesUnder(64 * 1024), 63 * 1024);
  assertEquals(chunkBytesUnder(100), 1);
});

Deno.test("decodePartHeader() reads sizes up to the limit and refuses others", () => {
  for (const bytes of [0, 1, 99]) {
    assertEquals(decodePartHeader(encodePayload({ bytes, meta: { a: 1 } }), 99), {
      bytes,
      meta: { a: 1 },
    });
  }
  for (const bytes of [-1, 0.5, 100, "1", null, NaN]) {
    assertThrows(() => decodePartHeader(encodePayload({ bytes, meta: 0 }), 99), TransferError);
  }
  assertThrows(() => decodePartHeader(new Uint8Array([0xc1]), 99), TransferError, "malformed");
  assertThrows(() => decodePartHeader(encodePayload(1), 99), TransferError, "malformed");
});

Deno.test("decodeTrailer() refuses a trailer without a checksum", () => {
  const trailer = { bytes: 1, checksum: 2, creditWaitMs: 0.5, firstCreditWaitMs: 0.25, meta: "m" };
  assertEquals(decodeTrailer(encodePayload(trailer)), trailer);
  assertThrows(
    () => decodeTrailer(encodePayload({ ...trailer, checksum: undefined })),
    TransferError,
  );
});

Deno.test("decodeAbort() keeps the other end's reason and takes an unknown one as aborted", () => {
  const checksum = decodeAbort(encodePayload({ reason: "checksum", text: "t" }), "receiver");
  assertEquals([checksum.reason, checksum.message], ["checksum", "The receiver gave up: t"]);
  assertEquals(decodeAbort(encodePayload({ reason: "new" }), "sender").reason, "aborted");
  assertEquals(decodeAbort(new Uint8Array([0xc1]), "sender").reason, "aborted");
});
