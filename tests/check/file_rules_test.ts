import { assertEquals } from "@std/assert/mod.js";
import {
  leftoverViolations,
  lineCount,
  longFiles,
  nameViolations,
  sizeViolations,
} from "./file_rules.ts";

function file(path: string, lines: number): { path: string; text: string } {
  return { path, text: "x\n".repeat(lines) };
}

Deno.test("lineCount counts a last line with and without its end", () => {
  assertEquals(lineCount({ path: "a.ts", text: "1\n2\n" }), 2);
  assertEquals(lineCount({ path: "a.ts", text: "1\n2" }), 2);
});

Deno.test("sizeViolations allows 500 lines of code and 800 of tests", () => {
  assertEquals(
    sizeViolations([
      file("shared/a.ts", 500),
      file("shared/b.ts", 501),
      file("shared/a_test.ts", 800),
      file("tests/kit/b.ts", 801),
    ]),
    [
      "shared/b.ts has 501 lines, over the limit of 500",
      "tests/kit/b.ts has 801 lines, over the limit of 800",
    ],
  );
});

Deno.test("longFiles lists code over 300 lines, the longest first", () => {
  const files = [file("a.ts", 301), file("b.ts", 300), file("c.ts", 400), file("d_test.ts", 400)];
  assertEquals(longFiles(files), ["c.ts: 400 lines", "a.ts: 301 lines"]);
});

Deno.test("nameViolations refuses names that say nothing, and other cases than snake_case", () => {
  const paths = [
    "utils.ts",
    "helper.ts",
    "types.ts",
    "common_test.ts",
    "camelCase.ts",
    "kebab-x.ts",
  ];
  for (const name of paths) {
    assertEquals(nameViolations([file(`shared/a/${name}`, 1)]).length, 1, name);
  }
  assertEquals(
    nameViolations([file("shared/a/tensor_types.ts", 1), file("shared/a/q8.wgsl.ts", 1)]),
    [],
  );
});

Deno.test("leftoverViolations finds marks of unfinished work with their line", () => {
  const text = "a\n// TODO: finish\nconst TODOS = 1;\n// FIXME\n";
  assertEquals(leftoverViolations([{ path: "shared/a.ts", text }]), [
    "shared/a.ts:2 has a TODO",
    "shared/a.ts:4 has a FIXME",
  ]);
});
