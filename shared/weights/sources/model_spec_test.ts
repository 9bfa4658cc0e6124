import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { ModelSourceError, parseModelSpec } from "./model_spec.ts";

Deno.test("parseModelSpec reads each form", () => {
  const cases: [string, unknown][] = [
    ["./models/a.gguf", { kind: "path", path: "./models/a.gguf" }],
    ["C:\\models\\a.gguf", { kind: "path", path: "C:\\models\\a.gguf" }],
    ["https://x.example/a.gguf", { kind: "url", url: "https://x.example/a.gguf" }],
    ["hf:org/repo", { kind: "hf", repository: "org/repo", file: undefined }],
    ["hf:org/repo:sub/a.gguf", { kind: "hf", repository: "org/repo", file: "sub/a.gguf" }],
    ["npm:pkg@1.0.0", { kind: "npm", name: "pkg", version: "1.0.0", file: undefined }],
    ["npm:@acme/pkg@1.0.0-rc.1:package/a.gguf", {
      kind: "npm",
      name: "@acme/pkg",
      version: "1.0.0-rc.1",
      file: "package/a.gguf",
    }],
    ["pypi:pkg==1.0:pkg/a.gguf", { kind: "pypi", name: "pkg", version: "1.0", file: "pkg/a.gguf" }],
  ];
  for (const [text, spec] of cases) assertEquals<unknown>(parseModelSpec(text), spec, text);
});

Deno.test("parseModelSpec says which form a wrong one should have", () => {
  const cases: [string, string][] = [
    ["", "an empty model name"],
    ["hf:repo", "hf:org/repo"],
    ["hf:a/b/c", "hf:org/repo"],
    ["npm:pkg", "npm:package@version"],
    ["npm:@acme/pkg", "npm:package@version"],
    ["pypi:pkg=1.0", "pypi:package==version"],
    ["https://", "no valid URL"],
  ];
  for (const [text, hint] of cases) {
    assertThrows(() => parseModelSpec(text), ModelSourceError, hint);
  }
});
