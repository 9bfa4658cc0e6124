import { assert, assertEquals, assertThrows } from "@std/assert/mod.js";
import { concat } from "@std/bytes/mod.js";
import { ModelFileError } from "./errors.ts";
import { readGgufHeader } from "./gguf_header.ts";
import { encodeTiny, temporaryFile, tinyLlama } from "./testing/tiny_llama.ts";

/** Little-endian fields of a header by hand: a number is a u32, a bigint a u64, text a string. */
function raw(...fields: (number | bigint | string | Uint8Array)[]): Uint8Array {
  const parts = fields.map((field) => {
    if (field instanceof Uint8Array) return field;
    if (typeof field === "number") return new Uint8Array(Uint32Array.of(field).buffer);
    if (typeof field === "bigint") return new Uint8Array(BigUint64Array.of(field).buffer);
    const bytes = new TextEncoder().encode(field);
    return Uint8Array.of(...raw(BigInt(bytes.length)), ...bytes);
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const GGUF = 0x46554747;
const U32 = 4;
const STRING = 8;
const ARRAY = 9;
const F32_TENSOR = 0;

/** Version 3 with these counts. */
function start(tensors: number | bigint, keys: number | bigint): Uint8Array {
  return raw(GGUF, 3, BigInt(tensors), BigInt(keys));
}

async function readHeader(bytes: Uint8Array): Promise<ReturnType<typeof readGgufHeader>> {
  await using source = await temporaryFile(bytes);
  using file = await Deno.open(source.path);
  return readGgufHeader(file, { path: "model.gguf", fileBytes: bytes.length });
}

async function assertRefused(bytes: Uint8Array, reason: string): Promise<void> {
  await using source = await temporaryFile(bytes);
  using file = await Deno.open(source.path);
  assertThrows(
    () => readGgufHeader(file, { path: "model.gguf", fileBytes: bytes.length }),
    ModelFileError,
    reason,
  );
}

Deno.test("readGgufHeader() reads every kind of metadata value", async () => {
  const values: [string, number, Uint8Array, unknown][] = [
    ["u8", 0, Uint8Array.of(200), 200],
    ["i8", 1, Uint8Array.of(200), -56],
    ["u16", 2, Uint8Array.of(0xff, 0xff), 65_535],
    ["i16", 3, Uint8Array.of(0xff, 0xff), -1],
    ["u32", 4, raw(0xffffffff), 4_294_967_295],
    ["i32", 5, raw(0xffffffff), -1],
    ["f32", 6, new Uint8Array(Float32Array.of(1.5).buffer), 1.5],
    ["bool", 7, Uint8Array.of(1), true],
    ["text", 8, raw("h\u00e9\ufeff"), "h\u00e9\ufeff"],
    ["array", 9, raw(7, 2n, Uint8Array.of(0, 1)), [false, true]],
    ["texts", 9, raw(8, 2n, "a", ""), ["a", ""]],
    ["u64", 10, raw(9_007_199_254_740_991n), 9_007_199_254_740_991],
    ["large u64", 10, raw(9_007_199_254_740_992n), 9_007_199_254_740_992n],
    ["i64", 11, raw(0xffffffffffffffffn), -1],
    ["f64", 12, new Uint8Array(Float64Array.of(0.1).buffer), 0.1],
  ];
  const body = values.map(([key, type, bytes]) => raw(key, type, bytes));
  const { metadata } = await readHeader(raw(start(0, values.length), ...body));
  assertEquals([...metadata], values.map(([key, , , value]) => [key, value]));
});

Deno.test("readGgufHeader() places tensors after the header, aligned", async () => {
  const header = raw(start(1, 1), "general.alignment", U32, 64, "t", 2, 3n, 2n, F32_TENSOR, 0n);
  const dataStart = Math.ceil(header.length / 64) * 64;
  const bytes = new Uint8Array(dataStart + 24);
  bytes.set(header);
  const { tensors } = await readHeader(bytes);
  assertEquals(tensors.get("t"), {
    name: "t",
    type: "F32",
    shape: [2, 3],
    fileOffset: dataStart,
    byteLength: 24,
  });
});

Deno.test("readGgufHeader() refuses arrays that are too large together, each within its limit", async () => {
  const length = 1 << 21;
  const array = (key: string) =>
    concat([raw(key, ARRAY, 0, BigInt(length)), new Uint8Array(length)]);
  const arrays = ["a", "b", "c"].map(array);
  assertEquals((await readHeader(concat([start(0, 2), ...arrays.slice(1)]))).metadata.size, 2);
  await assertRefused(concat([start(0, 3), ...arrays]), "more than 4194304 elements");
});

const HOSTILE: { what: string; bytes: Uint8Array; reason: string }[] = [
  { what: "an empty file", bytes: raw(), reason: "too short to be a GGUF file (at byte 0)" },
  { what: "another format", bytes: new Uint8Array(64), reason: 'does not start with "GGUF"' },
  { what: "version 1", bytes: raw(GGUF, 1, 0n, 0n), reason: "its GGUF version is 1" },
  { what: "version 0", bytes: raw(GGUF, 0, 0n, 0n), reason: "its GGUF version is 0" },
  { what: "big-endian", bytes: raw(GGUF, 0x03000000, 0n, 0n), reason: "big-endian" },
  { what: "countless keys", bytes: start(0, 1n << 63n), reason: "the metadata key count is" },
  { what: "countless tensors", bytes: start(1n << 40n, 0), reason: "the tensor count is" },
  { what: "tensors beyond the file", bytes: start(60_000, 0), reason: "says 60000 tensors, more" },
  {
    what: "a string longer than the limit",
    bytes: raw(start(0, 1), "k", STRING, 1n << 32n),
    reason: 'the length of metadata key "k" is 4294967296 and at most 1048576',
  },
  {
    what: "a string longer than the file",
    bytes: raw(start(0, 1), "k", STRING, 1000n),
    reason: "the file ends in its header: a field needs 1000 bytes, 0 are left",
  },
  {
    what: "an array longer than the limit",
    bytes: raw(start(0, 1), "k", ARRAY, U32, 1n << 60n),
    reason: 'the array length of metadata key "k"',
  },
  {
    what: "an array longer than the file",
    bytes: raw(start(0, 1), "k", ARRAY, U32, 1_000_000n),
    reason: '"k" says 1000000 elements, more than the header can hold',
  },
  {
    what: "an array of arrays",
    bytes: raw(start(0, 1), "k", ARRAY, ARRAY, 1n),
    reason: '"k" is an array of arrays',
  },
  {
    what: "an unknown value type",
    bytes: raw(start(0, 1), "k", 99),
    reason: '"k" has the unknown value type 99',
  },
  {
    what: "a boolean of 2",
    bytes: raw(start(0, 1), "k", 7, Uint8Array.of(2)),
    reason: "is a boolean with the value 2",
  },
  {
    what: "text that is not UTF-8",
    bytes: raw(start(0, 1), "k", STRING, 1n, Uint8Array.of(0xff)),
    reason: 'metadata key "k" is not UTF-8',
  },
  {
    what: "a key that stands twice",
    bytes: raw(start(0, 2), "k", U32, 1, "k", U32, 2),
    reason: 'metadata key "k" stands twice',
  },
  {
    what: "an odd alignment",
    bytes: raw(start(0, 1), "general.alignment", U32, 48),
    reason: '"general.alignment" is 48',
  },
  {
    what: "a tensor that stands twice",
    bytes: raw(start(2, 0), "t", 1, 1n, 0, 0n, "t", 1, 1n, 0, 32n),
    reason: 'tensor "t" stands twice',
  },
  {
    what: "a tensor name that is too long",
    bytes: raw(start(1, 0), "n".repeat(64)),
    reason: "the length of the name of tensor 0 is 64",
  },
  {
    what: "no dimensions",
    bytes: raw(start(1, 0), "t", 0, 0, 0n, 0n),
    reason: 'tensor "t" has 0 dimensions',
  },
  {
    what: "five dimensions",
    bytes: raw(start(1, 0), "t", 5, 1n, 1n, 1n, 1n, 1n, 0, 0n),
    reason: 'tensor "t" has 5 dimensions',
  },
  {
    what: "a dimension of 0",
    bytes: raw(start(1, 0), "t", 1, 0n, 0, 0n),
    reason: 'dimension 0 of tensor "t" is 0',
  },
  {
    what: "dimensions whose product overflows",
    bytes: raw(start(1, 0), "t", 3, 1n << 40n, 1n << 40n, 1n << 40n, 0, 0n),
    reason: 'tensor "t" of shape [1099511627776, 1099511627776, 1099511627776] is too large',
  },
  {
    what: "an offset that overflows",
    bytes: raw(start(1, 0), "t", 1, 1n, 0, 0xffffffffffffffe0n),
    reason: 'the offset of tensor "t" is 18446744073709551584',
  },
  {
    what: "a misaligned tensor",
    bytes: raw(start(1, 0), "t", 1, 1n, 0, 4n, new Uint8Array(64)),
    reason: 'tensor "t" starts at offset 4, which is not a multiple of 32 (at byte 24)',
  },
  {
    what: "a tensor outside the file",
    bytes: raw(start(1, 0), "t", 1, 1000n, 0, 0n),
    reason: "the file is truncated or damaged (at byte 24)",
  },
  {
    what: "tensors that overlap",
    bytes: raw(start(2, 0), "a", 1, 16n, 0, 0n, "b", 1, 8n, 0, 32n, new Uint8Array(128)),
    reason: 'tensors "a" and "b" overlap',
  },
  {
    what: "a known type that is not supported",
    bytes: raw(start(1, 0), "t", 1, 256n, 12, 0n),
    reason: 'tensor "t" has the type Q4_K, supported are F32, F16',
  },
  {
    what: "an unknown type",
    bytes: raw(start(1, 0), "t", 1, 256n, 77, 0n),
    reason: 'tensor "t" has the type number 77',
  },
  {
    what: "rows that are not whole blocks",
    bytes: raw(start(1, 0), "t", 2, 48n, 2n, 8, 0n),
    reason: 'tensor "t" has rows of 48 weights, Q8_0 needs a multiple of 32',
  },
];

for (const { what, bytes, reason } of HOSTILE) {
  Deno.test(`readGgufHeader() refuses ${what}`, () => assertRefused(bytes, reason));
}

Deno.test("readGgufHeader() refuses a header larger than its limit", async () => {
  const oneMiB = raw(STRING, 1n << 20n, new Uint8Array(1 << 20).fill(0x61));
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { read: true, write: true });
    await file.write(start(0, 70));
    for (let index = 0; index < 70; index++) {
      await file.write(raw(`key ${index}`));
      await file.write(oneMiB);
    }
    const { size: fileBytes } = await file.stat();
    await file.seek(0, Deno.SeekMode.Start);
    assertThrows(
      () => readGgufHeader(file, { path, fileBytes }),
      ModelFileError,
      "its header is larger than 67108864 bytes",
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("readGgufHeader() refuses a model cut off anywhere", async () => {
  const bytes = await encodeTiny(tinyLlama());
  await using source = await temporaryFile(bytes);
  using file = await Deno.open(source.path);
  // The last tensor ends on a block border, so that no padding can be missed.
  for (let fileBytes = 0; fileBytes < bytes.length; fileBytes += 7) {
    file.seekSync(0, Deno.SeekMode.Start);
    assertThrows(
      () => readGgufHeader(file, { path: source.path, fileBytes }),
      ModelFileError,
      undefined,
      `${fileBytes} of ${bytes.length} bytes`,
    );
  }
});

Deno.test("readGgufHeader() answers damaged bytes with a header or a ModelFileError, nothing else", async () => {
  const bytes = await encodeTiny(tinyLlama());
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { read: true, write: true });
    let refused = 0;
    for (let at = 0; at < 1200; at += 3) {
      const damaged = bytes.slice();
      damaged[at] ^= 0xff;
      file.seekSync(0, Deno.SeekMode.Start);
      file.writeSync(damaged);
      file.seekSync(0, Deno.SeekMode.Start);
      try {
        readGgufHeader(file, { path, fileBytes: bytes.length });
      } catch (error) {
        assert(error instanceof ModelFileError, `byte ${at}: ${error}`);
        refused++;
      }
    }
    assert(refused > 0);
  } finally {
    await Deno.remove(path);
  }
});
