import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert/mod.js";
import { crc32 } from "node:zlib";
import { TransferError } from "./bus.ts";
import { PartAssembler } from "./part_assembler.ts";

function failureReason(work: () => unknown): string {
  return assertThrows(work, TransferError).reason;
}

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values);
}

Deno.test("PartAssembler joins the chunks of a part into one buffer of its own", () => {
  const assembler = new PartAssembler();
  const chunk = bytes(1, 2);
  assertEquals(assembler.beginPart(0, { bytes: 3, meta: "m" }), undefined);
  assertEquals(assembler.addChunk(1, chunk), undefined);
  const part = assembler.addChunk(2, bytes(3));
  chunk.fill(9);
  assertEquals(part, { meta: "m", data: bytes(1, 2, 3), messages: 3 });
  assertStrictEquals(part?.data.byteLength, part?.data.buffer.byteLength);
});

Deno.test("PartAssembler completes an empty part at once", () => {
  const part = new PartAssembler().beginPart(0, { bytes: 0, meta: null });
  assertEquals(part, { meta: null, data: bytes(), messages: 1 });
});

Deno.test("PartAssembler.finish() accepts the count, bytes and checksum of all parts", () => {
  const assembler = new PartAssembler();
  assembler.beginPart(0, { bytes: 2, meta: 0 });
  assembler.addChunk(1, bytes(1, 2));
  assembler.beginPart(2, { bytes: 1, meta: 0 });
  assembler.addChunk(3, bytes(3));
  assembler.finish(4, {
    bytes: 3,
    checksum: crc32(bytes(1, 2, 3)),
    creditWaitMs: 0,
    firstCreditWaitMs: 0,
    meta: 0,
  });
  assertEquals([assembler.bytes, assembler.chunks], [3, 2]);
});

Deno.test("PartAssembler refuses a message that is missing, repeated or out of place", () => {
  assertEquals(
    failureReason(() => new PartAssembler().beginPart(1, { bytes: 1, meta: 0 })),
    "sequence",
  );
  assertEquals(failureReason(() => new PartAssembler().addChunk(0, bytes(1))), "sequence");
  for (const sequence of [0, 2, NaN]) {
    const assembler = new PartAssembler();
    assembler.beginPart(0, { bytes: 2, meta: 0 });
    assertEquals(failureReason(() => assembler.addChunk(sequence, bytes(1))), "sequence");
  }
});

Deno.test("PartAssembler refuses a part inside a part and more bytes than declared", () => {
  const nested = new PartAssembler();
  nested.beginPart(0, { bytes: 2, meta: 0 });
  assertEquals(failureReason(() => nested.beginPart(1, { bytes: 2, meta: 0 })), "sequence");
  const long = new PartAssembler();
  long.beginPart(0, { bytes: 1, meta: 0 });
  assertEquals(failureReason(() => long.addChunk(1, bytes(1, 2))), "sequence");
});

Deno.test("PartAssembler.checkCount() finds a loss at the tail", () => {
  const assembler = new PartAssembler();
  assembler.beginPart(0, { bytes: 1, meta: 0 });
  assembler.checkCount(1);
  assertEquals(failureReason(() => assembler.checkCount(2)), "sequence");
});

Deno.test("PartAssembler.finish() refuses other bytes, a short part and a wrong count", () => {
  function filled(): PartAssembler {
    const assembler = new PartAssembler();
    assembler.beginPart(0, { bytes: 1, meta: 0 });
    assembler.addChunk(1, bytes(1));
    return assembler;
  }
  const trailer = {
    bytes: 1,
    checksum: crc32(bytes(1)),
    creditWaitMs: 0,
    firstCreditWaitMs: 0,
    meta: 0,
  };
  filled().finish(2, trailer);
  assertEquals(failureReason(() => filled().finish(2, { ...trailer, checksum: 1 })), "checksum");
  assertEquals(failureReason(() => filled().finish(2, { ...trailer, bytes: 2 })), "checksum");
  assertEquals(failureReason(() => filled().finish(3, trailer)), "sequence");
  const short = new PartAssembler();
  short.beginPart(0, { bytes: 1, meta: 0 });
  assertEquals(failureReason(() => short.finish(1, trailer)), "sequence");
});
