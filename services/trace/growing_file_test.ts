import { assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { GrowingFile } from "./growing_file.ts";

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(join(folder, "frontend.jsonl"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function append(path: string, text: string): Promise<void> {
  return Deno.writeTextFile(path, text, { append: true });
}

Deno.test("GrowingFile reads whole lines as they are written, however they are cut", async () => {
  await inFolder(async (path) => {
    const file = new GrowingFile(path, { fromEnd: false });
    assertEquals(await file.readLines(), []);
    await append(path, "one\ntw");
    assertEquals(await file.readLines(), ["one"]);
    const rest = new TextEncoder().encode("o €\n");
    await Deno.writeFile(path, rest.subarray(0, 3), { append: true });
    assertEquals(await file.readLines(), []);
    await Deno.writeFile(path, rest.subarray(3), { append: true });
    assertEquals(await file.readLines(), ["two €"]);
    file.close();
  });
});

Deno.test("GrowingFile from the end passes over what is there", async () => {
  await inFolder(async (path) => {
    await append(path, "old\n");
    const file = new GrowingFile(path, { fromEnd: true });
    assertEquals(await file.readLines(), []);
    await append(path, "new\n");
    assertEquals(await file.readLines(), ["new"]);
    file.close();
  });
});

Deno.test({
  name: "GrowingFile reads a rotated file to its end and goes on with the new one",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (path) => {
      await append(path, "one\n");
      const file = new GrowingFile(path, { fromEnd: false });
      assertEquals(await file.readLines(), ["one"]);
      await append(path, "two\n");
      await Deno.rename(path, `${path}.old`);
      await append(`${path}.old`, "three\n");
      assertEquals(await file.readLines(), ["two", "three"]);
      await append(path, "four\n");
      assertEquals(await file.readLines(), ["four"]);
      file.close();
    }),
});

Deno.test("GrowingFile begins again when the file is emptied", async () => {
  await inFolder(async (path) => {
    await append(path, "long line\n");
    const file = new GrowingFile(path, { fromEnd: false });
    await file.readLines();
    await Deno.truncate(path);
    await append(path, "x\n");
    assertEquals(await file.readLines(), ["x"]);
    file.close();
  });
});
