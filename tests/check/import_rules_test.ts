import { assertEquals } from "@std/assert/mod.js";
import { fromFileUrl } from "@std/path/mod.js";
import { folderCycles, importViolations } from "./import_rules.ts";
import { importsOf, readSourceFiles, resolveImport, type SourceFile } from "./source_file.ts";

function file(path: string, ...imports: string[]): SourceFile {
  return { path, text: imports.map((from) => `import { x } from "${from}";\n`).join("") };
}

function reasons(...files: SourceFile[]): string[] {
  return importViolations(files);
}

Deno.test("importsOf finds static, type, side-effect, re-exported and dynamic imports", () => {
  const text = [
    'import { a } from "one";',
    "import type { B } from './two.ts';",
    'import {\n  c,\n  d,\n} from "three";',
    'import "four";',
    'export * from "five";',
    'export { e } from "six";',
    'const f = await import("seven");',
    'export const from = "not one";',
    '// import { x } from "comment";',
  ].join("\n");
  assertEquals(importsOf({ path: "a.ts", text }), [
    "one",
    "./two.ts",
    "three",
    "four",
    "five",
    "six",
    "seven",
  ]);
});

Deno.test("resolveImport resolves relative specifiers and leaves packages", () => {
  assertEquals(resolveImport("shared/a/b.ts", "../c/d.ts"), "shared/c/d.ts");
  assertEquals(resolveImport("shared/a/b.ts", "hono"), undefined);
});

Deno.test("services may import shared and their own files", () => {
  assertEquals(
    reasons(
      file("services/frontend/main.ts", "../../shared/bus/mod.ts", "./routes.ts", "hono"),
      file("services/start.ts", "./start/main.ts"),
    ),
    [],
  );
});

Deno.test("shared never imports a service, a service no other service", () => {
  assertEquals(reasons(file("shared/bus/a.ts", "../../services/frontend/b.ts")), [
    "shared/bus/a.ts imports ../../services/frontend/b.ts: shared code never imports a service",
  ]);
  assertEquals(reasons(file("services/decode/a.ts", "../prefill/b.ts")), [
    "services/decode/a.ts imports ../prefill/b.ts: a service imports no other service",
  ]);
});

Deno.test("engine and scheduler import no telemetry, bus, HTTP or NATS, not even in tests", () => {
  const impure = ["hono", "hono/streaming", "@opentelemetry/api", "@nats-io/nats-core"];
  for (const specifier of [...impure, "../bus/mod.ts", "../telemetry/telemetry.ts"]) {
    assertEquals(reasons(file("shared/engine/a.ts", specifier)).length, 1, specifier);
    assertEquals(reasons(file("shared/scheduler/a_test.ts", specifier)).length, 1, specifier);
    assertEquals(reasons(file("shared/worker/a.ts", specifier)).length, 0, specifier);
  }
  assertEquals(reasons(file("shared/engine/a.ts", "../weights/gguf.ts", "honolulu")), []);
});

Deno.test("product code imports nothing from tests or bench; its tests may", () => {
  assertEquals(reasons(file("shared/bus/a.ts", "../../tests/kit/x.ts")).length, 1);
  assertEquals(reasons(file("services/decode/a.ts", "../../bench/x.ts")).length, 1);
  assertEquals(reasons(file("shared/bus/a_test.ts", "../../tests/kit/x.ts")), []);
  assertEquals(reasons(file("tests/e2e/a_test.ts", "../kit/x.ts")), []);
});

Deno.test("packages are imported by their pinned names only", () => {
  for (const specifier of ["npm:hono", "jsr:@std/fs", "https://deno.land/x.ts"]) {
    assertEquals(reasons(file("bench/a.ts", specifier)).length, 1, specifier);
  }
});

Deno.test("folderCycles names each cycle once, with the files that make it", () => {
  const cycle = [
    file("shared/a/one.ts", "../b/two.ts"),
    file("shared/b/two.ts", "../c/three.ts"),
    file("shared/c/three.ts", "../a/one.ts", "../d/four.ts"),
  ];
  assertEquals(folderCycles(cycle), [
    "shared folders form a cycle: a → b (shared/a/one.ts), b → c (shared/b/two.ts), " +
    "c → a (shared/c/three.ts)",
  ]);
});

Deno.test("folderCycles does not count tests, nor imports inside a folder", () => {
  assertEquals(
    folderCycles([
      file("shared/a/one.ts", "../b/two.ts", "./other.ts"),
      file("shared/b/two_test.ts", "../a/one.ts"),
    ]),
    [],
  );
});

Deno.test("this repository keeps the import direction and has no folder cycles", async () => {
  const files = await readSourceFiles(fromFileUrl(new URL("../../", import.meta.url)));
  assertEquals(importViolations(files), []);
  assertEquals(folderCycles(files), []);
});
