import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { dirname, join } from "@std/path/mod.js";
import { CHECKS } from "./checks.ts";
import { CODE_FOLDERS, readSourceFiles } from "./source_file.ts";

/** A checkout with one file. */
async function problemsOf(checkName: string, path: string, text: string): Promise<string[]> {
  const root = await Deno.makeTempDir();
  try {
    for (const folder of CODE_FOLDERS) {
      await Deno.mkdir(join(root, folder));
      await Deno.writeTextFile(join(root, folder, "ok.ts"), "export const ok = 1;\n");
    }
    await Deno.writeTextFile(join(root, "deno.json"), "{}\n");
    await Deno.mkdir(dirname(join(root, path)), { recursive: true });
    await Deno.writeTextFile(join(root, path), text);
    const check = CHECKS.find(({ name }) => name === checkName);
    return await check!.problems(root, await readSourceFiles(root));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("each check passes a good file", async () => {
  for (const { name } of CHECKS) {
    if (name === "generated docs") continue;
    assertEquals(await problemsOf(name, "shared/a.ts", "export const a = 1;\n"), [], name);
  }
});

Deno.test("each check fails a bad file and says where", async () => {
  const cases: [string, string, string][] = [
    ["format", "shared/a.ts", "export const a=1"],
    ["lint", "shared/a.ts", "export const a = (x: any) => x;\n"],
    ["types", "shared/a.ts", 'export const a: number = "1";\n'],
    ["import direction", "shared/a.ts", 'import "../services/ok.ts";\n'],
    ["file sizes", "shared/a.ts", "\n".repeat(501)],
    ["file names", "shared/utils.ts", ""],
    ["leftovers", "shared/a.ts", "// FIXME\n"],
  ];
  for (const [name, path, text] of cases) {
    const [problem] = await problemsOf(name, path, text);
    assertStringIncludes(problem ?? "", path, name);
  }
});

Deno.test("the check of generated docs fails a page that the code would print otherwise", async () => {
  const problems = await problemsOf("generated docs", "docs/configuration.md", "old\n");
  assertStringIncludes(problems[0] ?? "", "docs/configuration.md");
});
