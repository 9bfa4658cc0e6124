import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert/mod.js";
import { ModelFileError } from "./errors.ts";
import { openGguf } from "./gguf.ts";
import type { TensorInfo } from "./model_file.ts";
import { encodeTiny, f32Tensor, temporaryFile, tinyLlama } from "./testing/tiny_llama.ts";

Deno.test("openGguf() reads the shape of a llama model, with GGUF's defaults for what is absent", async () => {
  await using source = await temporaryFile(await encodeTiny(tinyLlama()));
  await using file = await openGguf(source.path);
  assertEquals(file.shape, {
    architecture: "llama",
    contextLength: 64,
    hidden: 8,
    feedForward: 12,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 2,
    vocab: 11,
    ropeTheta: 10_000,
    ropeDim: 2,
    rmsEpsilon: 0.5,
    isTied: true,
  });
  assertEquals(file.metadata.get("general.architecture"), "llama");
  const tensor = file.tensors.get("blk.1.ffn_down.weight");
  assertEquals([tensor?.type, tensor?.shape, tensor?.byteLength], ["F32", [8, 12], 8 * 12 * 4]);
  assertEquals(file.parameterCount, 11 * 8 + 8 + 2 * (8 * 2 + 2 * 64 + 2 * 32 + 3 * 96));
});

Deno.test("openGguf() takes a model as untied when it has an output matrix", async () => {
  const model = tinyLlama();
  model.tensors.set("output.weight", f32Tensor("output.weight", [11, 8], 99));
  await using source = await temporaryFile(await encodeTiny(model));
  await using file = await openGguf(source.path);
  assertEquals(file.shape.isTied, false);
});

Deno.test("openGguf() passes over lists of texts where asked, and reads all else", async () => {
  const model = tinyLlama();
  const words = Array.from({ length: 11 }, (_, index) => `word ${index}`);
  model.metadata.set("tokenizer.ggml.tokens", { type: "string[]", value: words });
  await using source = await temporaryFile(await encodeTiny(model));
  await using whole = await openGguf(source.path);
  assertEquals(whole.metadata.get("tokenizer.ggml.tokens"), words);
  await using file = await openGguf(source.path, { skipTextLists: true });
  assertEquals(file.metadata.has("tokenizer.ggml.tokens"), false);
  assertEquals([file.shape, [...file.tensors]], [whole.shape, [...whole.tensors]]);
  const others = [...whole.metadata].filter(([key]) => key !== "tokenizer.ggml.tokens");
  assertEquals([...file.metadata], others);
});

Deno.test("ModelFile.read() gives the stored bytes, whole and from the middle", async () => {
  await using source = await temporaryFile(await encodeTiny(tinyLlama()));
  await using file = await openGguf(source.path);
  const tensor = file.tensors.get("output_norm.weight")!;
  const whole = new Float32Array(8);
  await file.read(tensor, 0, new Uint8Array(whole.buffer));
  whole.forEach((value, index) => assertAlmostEquals(value, Math.sin(100 + index + 1), 1e-7));
  const part = new Float32Array(2);
  await file.read(tensor, 3 * 4, new Uint8Array(part.buffer));
  assertEquals([...part], [...whole.subarray(3, 5)]);
});

Deno.test("ModelFile.read() keeps reads apart that overlap in time", async () => {
  await using source = await temporaryFile(await encodeTiny(tinyLlama()));
  await using file = await openGguf(source.path);
  const tensors = [...file.tensors.values()];
  const together = await Promise.all(tensors.map(async (tensor) => {
    const bytes = new Uint8Array(tensor.byteLength);
    await file.read(tensor, 0, bytes);
    return bytes;
  }));
  for (const [index, tensor] of tensors.entries()) {
    const alone = new Uint8Array(tensor.byteLength);
    await file.read(tensor, 0, alone);
    assertEquals(together[index], alone, tensor.name);
  }
});

Deno.test("ModelFile.read() refuses to pass a tensor's end", async () => {
  await using source = await temporaryFile(await encodeTiny(tinyLlama()));
  await using file = await openGguf(source.path);
  const tensor = file.tensors.get("output_norm.weight")!;
  assertThrows(() => file.read(tensor, 8, new Uint8Array(32)), RangeError, "output_norm.weight");
  assertThrows(() => file.read(tensor, -1, new Uint8Array(4)), RangeError, "output_norm.weight");
});

Deno.test("ModelFile.read() reads whole blocks only", async () => {
  await using source = await temporaryFile(await encodeTiny(tinyLlama()));
  await using file = await openGguf(source.path);
  const tensor = file.tensors.get("output_norm.weight")!;
  assertThrows(() => file.read(tensor, 2, new Uint8Array(4)), RangeError, "blocks have 4 bytes");
  assertThrows(() => file.read(tensor, 4, new Uint8Array(6)), RangeError, "blocks have 4 bytes");
});

Deno.test("ModelFile.read() refuses weights that are no finite numbers, and says where", async () => {
  const bytes = await encodeTiny(tinyLlama());
  let damaged: TensorInfo;
  {
    await using intact = await temporaryFile(bytes);
    await using file = await openGguf(intact.path);
    damaged = file.tensors.get("blk.1.ffn_up.weight")!;
  }
  const at = damaged.fileOffset + 5 * 4;
  for (const value of [NaN, Infinity, -Infinity]) {
    new DataView(bytes.buffer).setFloat32(at, value, true);
    await using source = await temporaryFile(bytes);
    await using file = await openGguf(source.path);
    await assertRejects(
      () => file.read(damaged, 4 * 4, new Uint8Array(4 * 4)),
      ModelFileError,
      `tensor "blk.1.ffn_up.weight" has a weight that is infinite or no number (at byte ${at})`,
    );
    await file.read(damaged, 6 * 4, new Uint8Array(4 * 4));
  }
});

Deno.test("ModelFile.read() says so when the file became shorter, and later reads still work", async () => {
  await using source = await temporaryFile(await encodeTiny(tinyLlama()));
  await using file = await openGguf(source.path);
  const last = file.tensors.get("blk.1.ffn_down.weight")!;
  await Deno.truncate(source.path, last.fileOffset + 10);
  await assertRejects(
    () => file.read(last, 0, new Uint8Array(last.byteLength)),
    ModelFileError,
    `it became shorter while it was read (at byte ${last.fileOffset + 10})`,
  );
  await file.read(file.tensors.get("output_norm.weight")!, 0, new Uint8Array(32));
});

Deno.test("openGguf() names a path that is missing or no file", async () => {
  await assertRejects(
    () => openGguf("/nowhere/model.gguf"),
    ModelFileError,
    "Cannot use model file /nowhere/model.gguf: there is no such file",
  );
  const folder = await Deno.makeTempDir();
  await assertRejects(() => openGguf(folder), ModelFileError, "not a regular file");
  await Deno.remove(folder);
});
