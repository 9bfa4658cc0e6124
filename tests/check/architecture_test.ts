import { assertEquals, assertGreater } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";

const ROOT = new URL("../../", import.meta.url);

/** Paths in the page, with the symbol that is said to be there: `a/b.ts:Class.method`. */
async function references(page: string): Promise<[path: string, symbol: string | undefined][]> {
  const text = await Deno.readTextFile(new URL(page, ROOT));
  const pattern = /`((?:services|shared|tests|bench|docs)\/[\w./-]*)(?::([\w.#]+))?`/g;
  return [...text.matchAll(pattern)].map(([, path = "", symbol]) => [path, symbol]);
}

/** Whether a file's text declares a name: at the top level, or as a member where it follows a dot. */
function declares(text: string, symbol: string): boolean {
  return symbol.split(".").every((name, index) => {
    const pattern = index === 0
      ? `^(?:export )?(?:abstract )?(?:async )?(?:function\\*?|class|const|interface|type) ${name}\\b`
      : `^  (?:static |async |get |readonly )*\\*?${name}\\??[(<:]`;
    return new RegExp(pattern, "m").test(text);
  });
}

Deno.test("docs/architecture.md names only files and symbols that exist", async () => {
  const found = await references("docs/architecture.md");
  assertGreater(found.length, 0);
  const wrong: string[] = [];
  for (const [path, symbol] of found) {
    const url = new URL(path, ROOT);
    try {
      if ((await Deno.stat(url)).isDirectory && symbol === undefined) continue;
      const text = await Deno.readTextFile(fromFileUrl(url));
      if (symbol !== undefined && !declares(text, symbol)) wrong.push(`${path}:${symbol}`);
    } catch {
      wrong.push(path);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("a symbol counts as declared at the top level or as a member only", () => {
  const text = "export class A {\n  async *run(): X {}\n  #hide(): void {}\n}\nf(A.other);\n";
  assertEquals(
    ["A", "A.run", "A.#hide", "A.other", "f", "run"].map((symbol) => declares(text, symbol)),
    [true, true, true, false, false, false],
  );
});
