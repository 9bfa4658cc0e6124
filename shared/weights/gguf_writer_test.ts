import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { readGgufHeader } from "./gguf_header.ts";
import { encodeGguf, type GgufTensor, type GgufValue } from "./gguf_writer.ts";
import { onePiece, temporaryFile, zeroTensor } from "./testing/tiny_llama.ts";

async function encode(
  metadata: [string, GgufValue][],
  tensors: readonly GgufTensor[] = [],
): Promise<Uint8Array> {
  const pieces = encodeGguf({ metadata: new Map(metadata), tensors });
  return new Uint8Array(await new Response(ReadableStream.from(pieces)).arrayBuffer());
}

async function headerOf(bytes: Uint8Array): Promise<ReturnType<typeof readGgufHeader>> {
  await using source = await temporaryFile(bytes);
  using file = await Deno.open(source.path);
  return readGgufHeader(file, { path: source.path, fileBytes: bytes.length });
}

Deno.test("encodeGguf() writes metadata that reads back the same, more than one buffer of it", async () => {
  const values: [string, GgufValue][] = [
    ["u32", { type: "u32", value: 4_000_000_000 }],
    ["i32", { type: "i32", value: -7 }],
    ["f32", { type: "f32", value: 0.25 }],
    ["bool", { type: "bool", value: false }],
    ["string", { type: "string", value: "▁größer" }],
    ["f32[]", { type: "f32[]", value: [1.5, -2] }],
    ["i32[]", { type: "i32[]", value: [] }],
    ["string[]", { type: "string[]", value: Array.from({ length: 20_000 }, (_, i) => `t${i}`) }],
  ];
  const { metadata } = await headerOf(await encode(values));
  assertEquals([...metadata], values.map(([key, { value }]) => [key, value]));
});

Deno.test("encodeGguf() starts every tensor on a multiple of 32 and pads the last", async () => {
  const piece = Uint8Array.of(1, 2, 3, 4);
  const odd: GgufTensor = { name: "a", type: "F32", shape: [1], bytes: () => onePiece(piece) };
  const bytes = await encode([], [
    odd,
    zeroTensor("b", { type: "Q8_0", shape: [2, 32], byteLength: 68 }),
    { ...odd, name: "c" },
  ]);
  const { tensors } = await headerOf(bytes);
  for (const { fileOffset } of tensors.values()) assertEquals(fileOffset % 32, 0);
  const { fileOffset } = tensors.get("c")!;
  assertEquals([...bytes.subarray(fileOffset, fileOffset + 5)], [1, 2, 3, 4, 0]);
  assertEquals(bytes.length, fileOffset + 32);
});

Deno.test("encodeGguf() refuses a tensor whose bytes are fewer than its shape says", async () => {
  await assertRejects(
    () => encode([], [zeroTensor("a", { type: "F32", shape: [2], byteLength: 4 })]),
    RangeError,
    'Cannot encode tensor "a": it has 8 bytes and 4 came',
  );
});
