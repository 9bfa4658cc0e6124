import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { writeFileAtomically, writeTextAtomically } from "./atomic_file.ts";

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
}

Deno.test("writeFileAtomically overwrites what a killed process left, and leaves only the file", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "file");
  await Deno.writeTextFile(`${path}.tmp`, "half of something longer");
  await writeTextAtomically(path, "whole");
  assertEquals(await Deno.readTextFile(path), "whole");
  assertEquals(await namesIn(folder), ["file"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("writeFileAtomically keeps the old file when the new one fails", async () => {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "file");
  await writeTextAtomically(path, "old");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(3);
    throw new Error("the source broke");
  }
  const written = writeFileAtomically(path, broken(), { maxBytes: 10 });
  await assertRejects(() => written, Error, "the source broke");
  assertEquals(await Deno.readTextFile(path), "old");
  assertEquals(await namesIn(folder), ["file"]);
  await Deno.remove(folder, { recursive: true });
});
