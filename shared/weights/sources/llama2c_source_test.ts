import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { concat } from "@std/bytes/mod.js";
import { join } from "@std/path/mod.js";
import { createHash } from "node:crypto";
import { withFileLock } from "../../download/mod.ts";
import { openGguf } from "../gguf.ts";
import type { Llama2cEntry } from "./catalogue.ts";
import { convertedLlama2c } from "./llama2c_source.ts";

const VOCAB = 300;

/** One layer of the smallest shape that the format allows, all weights zero. */
function tinyModel(): Uint8Array<ArrayBuffer> {
  const [hidden, feedForward, layers, heads, kvHeads, context] = [64, 64, 1, 2, 2, 16];
  const floats = VOCAB * hidden + hidden * 3 + hidden * hidden * 4 + 3 * feedForward * hidden +
    context * (hidden / heads);
  const header = new Int32Array([hidden, feedForward, layers, heads, kvHeads, VOCAB, context]);
  return concat([new Uint8Array(header.buffer), new Uint8Array(floats * 4)]);
}

/** llama2.c's format: longest text, then score, length and bytes of each token. */
function tinyTokenizer(): Uint8Array<ArrayBuffer> {
  const parts = [new Uint8Array(new Uint32Array([8]).buffer)];
  for (let id = 0; id < VOCAB; id++) {
    const hex = (id - 3).toString(16).toUpperCase().padStart(2, "0");
    const text = id === 0
      ? "<unk>"
      : id < 3
      ? ["", "\n<s>\n", "\n</s>\n"][id]!
      : id < 259
      ? `<0x${hex}>`
      : `t${id}`;
    const bytes = new TextEncoder().encode(text);
    parts.push(new Uint8Array(new Float32Array([-id]).buffer));
    parts.push(new Uint8Array(new Uint32Array([bytes.length]).buffer), bytes);
  }
  return concat(parts);
}

interface Scene extends AsyncDisposable {
  readonly cacheDir: string;
  readonly entry: Llama2cEntry;
  fetched: number;
  readonly convert: (signal?: AbortSignal) => ReturnType<typeof convertedLlama2c>;
}

async function scene(): Promise<Scene> {
  const cacheDir = await Deno.makeTempDir();
  const model = tinyModel();
  const data = concat([model, tinyTokenizer()]);
  const entry: Llama2cEntry = {
    format: "llama2c",
    sha256: createHash("sha256").update(data).digest("hex"),
    modelBytes: model.length,
    sources: [],
  };
  const test: Scene = {
    cacheDir,
    entry,
    fetched: 0,
    convert: (signal) =>
      convertedLlama2c({
        signal,
        alias: "tiny",
        entry,
        cacheDir,
        fetchData: async () => {
          test.fetched++;
          const path = join(cacheDir, "data");
          await Deno.writeFile(path, data);
          return path;
        },
      }),
    [Symbol.asyncDispose]: () => Deno.remove(cacheDir, { recursive: true }),
  };
  return test;
}

Deno.test("convertedLlama2c splits the data into model and tokenizer and makes a GGUF file", async () => {
  await using test = await scene();
  const { path, digest } = await test.convert();
  assertEquals(digest, createHash("sha256").update(await Deno.readFile(path)).digest("hex"));
  await using file = await openGguf(path);
  assertEquals([file.shape.layers, file.shape.hidden, file.shape.vocab], [1, 64, VOCAB]);
});

Deno.test("convertedLlama2c keeps the result and nothing else", async () => {
  await using test = await scene();
  const { path } = await test.convert();
  const names = await Array.fromAsync(
    Deno.readDir(join(test.cacheDir, "converted")),
    (e) => e.name,
  );
  const name = path.split(/[\\/]/).at(-1)!;
  assertEquals(names.sort(), [name, `${name}.lock`, `${name}.sha256`]);
  assertEquals(await test.convert().then((model) => model.path), path);
  assertEquals(test.fetched, 1);
});

Deno.test("convertedLlama2c makes a damaged result anew", async () => {
  await using test = await scene();
  const first = await test.convert();
  await Deno.writeTextFile(first.path, "damaged");
  assertEquals(await test.convert(), first);
  assertEquals(test.fetched, 2);
});

Deno.test("convertedLlama2c stops waiting for another process when its signal aborts", async () => {
  await using test = await scene();
  const { path } = await test.convert();
  const stop = new AbortController();
  await withFileLock(path, async () => {
    const waiting = test.convert(stop.signal);
    stop.abort(new Error("stopped"));
    await assertRejects(() => waiting, Error, "stopped");
  });
});
