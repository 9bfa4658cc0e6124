import { assert, assertEquals } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { LogFile } from "./log_file.ts";

async function inFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function encoded(line: string): Uint8Array {
  return new TextEncoder().encode(line);
}

const noFailure = (reason: string) => {
  throw new Error(reason);
};

Deno.test("LogFile appends lines in a folder that it makes, readable by the user alone", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "deep", "prefill.jsonl");
    const file = new LogFile(path, { maxBytes: 100, onFailure: noFailure });
    file.write(encoded("one\n"));
    file.write(encoded("two\n"));
    assertEquals(await Deno.readTextFile(path), "one\ntwo\n");
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  });
});

Deno.test("LogFile keeps one older file and never more than twice its size", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "prefill.jsonl");
    const file = new LogFile(path, { maxBytes: 100, onFailure: noFailure });
    for (let number = 0; number < 100; number++) file.write(encoded(`line ${number}\n`));
    const entries = await Array.fromAsync(Deno.readDir(folder));
    const names = entries.map(({ name }) => name).sort();
    assertEquals(names, ["prefill.1.jsonl", "prefill.jsonl"]);
    const texts = await Promise.all(names.map((name) => Deno.readTextFile(join(folder, name))));
    assert(texts.every((text) => text.length <= 100));
    assert(texts[0]!.length > 50);
    const lines = texts.join("").trim().split("\n");
    assertEquals(lines.at(-1), "line 99");
    assertEquals(
      lines.map((text) => Number(text.slice(5)) - 100),
      lines.map((_, i) => i - lines.length),
    );
  });
});

Deno.test("LogFile goes on with the file of an earlier process", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "prefill.jsonl");
    new LogFile(path, { maxBytes: 20, onFailure: noFailure }).write(encoded("from before\n"));
    const file = new LogFile(path, { maxBytes: 20, onFailure: noFailure });
    file.write(encoded("more\n"));
    file.write(encoded("too much\n"));
    assertEquals(await Deno.readTextFile(join(folder, "prefill.1.jsonl")), "from before\nmore\n");
    assertEquals(await Deno.readTextFile(path), "too much\n");
  });
});

Deno.test("LogFile that cannot be written says so once and loses lines", async () => {
  await inFolder(async (folder) => {
    const blocker = join(folder, "file");
    await Deno.writeTextFile(blocker, "");
    const reasons: string[] = [];
    const file = new LogFile(join(blocker, "x.jsonl"), {
      maxBytes: 100,
      onFailure: (reason) => reasons.push(reason),
    });
    file.write(encoded("one\n"));
    file.write(encoded("two\n"));
    assertEquals(reasons.length, 1);
  });
});
