import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { findLogLines } from "./log_search.ts";

const LIMITS = { lines: 1000, shownBytes: 1e6, readBytes: 1e8 };
const { signal } = new AbortController();
const ID = "4bf92f3577b34da6a3ce929d0e0e4736";

function line(second: number, fields: Record<string, unknown>): string {
  return JSON.stringify({ time: `2026-11-25T10:00:0${second}.000000Z`, ...fields }) + "\n";
}

async function withLogs(
  files: Readonly<Record<string, string>>,
  check: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(folder, name), text);
    }
    await check(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("findLogLines gives a trace's lines of all services by time, without lines of spans", async () => {
  await withLogs({
    "decode.jsonl": line(3, { message: "third", trace_id: ID }) +
      line(4, { message: "SPAN_CLOSED", trace_id: ID }) +
      line(4, { message: "of another", trace_id: "ab".repeat(16), other: ID }) +
      `{"trace_id":"${ID}","message":"cut`,
    "frontend.jsonl": line(2, { message: "second", trace_id: ID }),
    "frontend.1.jsonl": line(1, { message: "first", trace_id: ID }),
    "notes.txt": line(1, { message: "no log", trace_id: ID }),
  }, async (folder) => {
    const { lines, note } = await findLogLines(ID, { folder, signal });
    assertEquals(note, "");
    assertEquals(lines.map(({ service, fields }) => `${service} ${fields.message}`), [
      "frontend first",
      "frontend second",
      "decode third",
    ]);
  });
});

Deno.test("findLogLines finds lines wherever the file is cut into chunks", async () => {
  const filler = line(0, { message: "x".repeat(1000) });
  const text = Array.from(
    { length: 40 },
    (_, index) => filler.repeat(97) + line(1, { message: `n${index}`, trace_id: ID }),
  ).join("");
  await withLogs({ "prefill.jsonl": text }, async (folder) => {
    const { lines } = await findLogLines(ID, { folder, signal });
    assertEquals(
      lines.map(({ fields }) => fields.message),
      [...Array(40).keys()].map((n) => `n${n}`),
    );
    const some = await findLogLines(ID, { folder, signal, limits: { ...LIMITS, lines: 3 } });
    assertEquals(some.lines.map(({ fields }) => fields.message), ["n37", "n38", "n39"]);
    assertStringIncludes(some.note, "37 earlier lines left out");
  });
});

Deno.test("findLogLines says when there is no folder of logs", async () => {
  for (const folder of ["", "off"]) {
    const { lines, note } = await findLogLines(ID, { folder, signal });
    assertEquals(lines, []);
    assertStringIncludes(note, "DYN_LOG_DIR");
  }
  assertEquals((await findLogLines(ID, { folder: "/nonexistent/logs", signal })).lines, []);
});

Deno.test("findLogLines shows the newest lines within its bytes", async () => {
  const lines = [1, 2, 3].map((second) =>
    line(second, { message: `n${second}`, trace_id: ID, cause: "x".repeat(500) })
  );
  await withLogs({ "decode.jsonl": lines.join("") }, async (folder) => {
    const limits = { ...LIMITS, shownBytes: 1300 };
    const found = await findLogLines(ID, { folder, signal, limits });
    assertEquals(found.lines.map(({ fields }) => fields.message), ["n2", "n3"]);
    assertEquals(found.note, "1 earlier line left out");
  });
});

Deno.test("findLogLines reads the newest files within its bytes, and says so", async () => {
  await withLogs({
    "frontend.1.jsonl": line(1, { message: "old", trace_id: ID }),
    "frontend.jsonl": line(2, { message: "new", trace_id: ID }),
  }, async (folder) => {
    await Deno.utime(join(folder, "frontend.1.jsonl"), 1, 1);
    const limits = { ...LIMITS, readBytes: 150 };
    const found = await findLogLines(ID, { folder, signal, limits });
    assertEquals(found.lines.map(({ fields }) => fields.message), ["new"]);
    assertStringIncludes(found.note, "1 file of DYN_LOG_DIR not read");
  });
});

Deno.test("findLogLines stops when nobody waits any more", async () => {
  await withLogs({ "decode.jsonl": line(1, { trace_id: ID }) }, async (folder) => {
    const left = AbortSignal.abort(new Error("left"));
    await assertRejects(() => findLogLines(ID, { folder, signal: left }), Error, "left");
  });
});
