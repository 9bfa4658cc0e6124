import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { createHash } from "node:crypto";
import { FileServer } from "../../tests/kit/file_server.ts";
import { sha256Checksum } from "./checksum.ts";
import { downloadFile, type DownloadOptions, type Progress } from "./download_file.ts";
import { DownloadError } from "./errors.ts";

const BODY = crypto.getRandomValues(new Uint8Array(60_000));
const SHA256 = createHash("sha256").update(BODY).digest("hex");
const CHECKSUM = sha256Checksum(SHA256);

interface Scene extends AsyncDisposable {
  readonly server: FileServer;
  readonly folder: string;
  readonly url: string;
  readonly path: string;
}

async function scene(): Promise<Scene> {
  const server = new FileServer();
  const folder = await Deno.makeTempDir();
  return {
    server,
    folder,
    url: `${server.url}/file.bin`,
    path: join(folder, "deep", "file.bin"),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function download({ url, path }: Scene, options: DownloadOptions = {}): Promise<void> {
  return downloadFile(url, path, { retryDelayMs: 1, ...options });
}

async function failureOf(promise: Promise<void>): Promise<DownloadError> {
  return await assertRejects(() => promise, DownloadError);
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  return names.filter((name) => !name.endsWith(".lock")).sort();
}

Deno.test("downloadFile writes the file, reports progress and leaves nothing else", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: BODY });
  const seen: Progress[] = [];
  await download(test, { checksum: CHECKSUM, item: "a file", onProgress: (p) => seen.push(p) });
  assertEquals(await Deno.readFile(test.path), BODY);
  assertEquals(await namesIn(join(test.folder, "deep")), ["file.bin"]);
  assertEquals(seen[0], { item: "a file", receivedBytes: 0, totalBytes: BODY.length });
  assertEquals(seen.at(-1)?.receivedBytes, BODY.length);
});

Deno.test("downloadFile asks nothing when the file is there", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: BODY });
  await download(test);
  await download(test);
  assertEquals(test.server.requests.length, 1);
});

Deno.test("downloadFile continues a broken connection where it broke", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", {
    body: BODY,
    faults: [{ kind: "break", afterBytes: 20_000 }, { kind: "break", afterBytes: 20_000 }],
  });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
  assertEquals(test.server.requests.map(({ range }) => range), [
    null,
    "bytes=20000-",
    "bytes=40000-",
  ]);
});

Deno.test("downloadFile without a checksum continues only while the ETag holds", async () => {
  await using test = await scene();
  const changed = BODY.toReversed();
  test.server.files.set("/file.bin", {
    body: BODY,
    etag: '"one"',
    faults: [{ kind: "break", afterBytes: 20_000 }],
  });
  await download(test, {
    onProgress: ({ receivedBytes }) => {
      // Another file takes its place while the first part is on its way.
      if (receivedBytes > 0) test.server.files.set("/file.bin", { body: changed, etag: '"two"' });
    },
  });
  assertEquals(await Deno.readFile(test.path), changed);
});

Deno.test("downloadFile without checksum and ETag starts again after a break", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", {
    body: BODY,
    faults: [{ kind: "break", afterBytes: 20_000 }],
  });
  await download(test);
  assertEquals(await Deno.readFile(test.path), BODY);
  assertEquals(test.server.requests.map(({ range }) => range), [null, null]);
});

Deno.test("downloadFile continues the part of a process that was killed", async () => {
  await using test = await scene();
  await Deno.mkdir(join(test.folder, "deep"));
  await Deno.writeFile(`${test.path}.part`, BODY.subarray(0, 50_000));
  test.server.files.set("/file.bin", { body: BODY });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
  assertEquals(test.server.requests.map(({ range }) => range), ["bytes=50000-"]);
});

Deno.test("downloadFile takes a part that is already whole", async () => {
  await using test = await scene();
  await Deno.mkdir(join(test.folder, "deep"));
  await Deno.writeFile(`${test.path}.part`, BODY);
  test.server.files.set("/file.bin", { body: BODY });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
});

Deno.test("downloadFile starts again when an old part turns out to be wrong", async () => {
  await using test = await scene();
  await Deno.mkdir(join(test.folder, "deep"));
  await Deno.writeFile(`${test.path}.part`, new Uint8Array(1000));
  test.server.files.set("/file.bin", { body: BODY });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
  assertEquals(test.server.requests.map(({ range }) => range), ["bytes=1000-", null]);
});

Deno.test("downloadFile starts again when an old part is longer than the file", async () => {
  await using test = await scene();
  await Deno.mkdir(join(test.folder, "deep"));
  await Deno.writeFile(`${test.path}.part`, new Uint8Array(BODY.length + 5));
  test.server.files.set("/file.bin", { body: BODY });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
});

Deno.test("downloadFile copes with a server that ignores ranges", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", {
    body: BODY,
    faults: [{ kind: "break", afterBytes: 20_000 }, { kind: "no_ranges" }],
  });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
});

Deno.test("downloadFile copes with a server that continues at the wrong place", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", {
    body: BODY,
    faults: [{ kind: "break", afterBytes: 20_000 }, { kind: "wrong_range" }],
  });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
});

Deno.test("downloadFile refuses wrong bytes and removes them", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: "something else" });
  const error = await failureOf(download(test, { checksum: CHECKSUM }));
  assertEquals(error.failure, "checksum");
  assertStringIncludes(error.message, `expected ${SHA256}`);
  assertEquals(await namesIn(join(test.folder, "deep")), []);
});

Deno.test("downloadFile gives up on a connection that breaks without a new byte", async () => {
  await using test = await scene();
  const faults = Array.from({ length: 3 }, () => ({ kind: "break", afterBytes: 0 }) as const);
  test.server.files.set("/file.bin", { body: BODY, faults });
  const error = await failureOf(download(test, { checksum: CHECKSUM, attempts: 3 }));
  assertEquals(error.failure, "incomplete");
  assertStringIncludes(error.message, "the connection keeps breaking");
});

Deno.test("downloadFile counts silence as a broken connection", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: BODY, faults: [{ kind: "stall" }] });
  await download(test, { checksum: CHECKSUM, idleTimeoutMs: 1_000 });
  assertEquals(await Deno.readFile(test.path), BODY);
});

Deno.test("downloadFile tries again after 503 and 429", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", {
    body: BODY,
    faults: [{ kind: "status", status: 503 }, { kind: "status", status: 429, retryAfter: "0" }],
  });
  await download(test, { checksum: CHECKSUM });
  assertEquals(await Deno.readFile(test.path), BODY);
});

Deno.test("downloadFile tries a 404, a 403 or a 400 once and says so", async () => {
  await using test = await scene();
  for (const [status, failure] of [[404, "not_found"], [403, "refused"], [400, "server_error"]]) {
    test.server.requests.length = 0;
    test.server.files.set("/file.bin", {
      body: BODY,
      faults: [{ kind: "status", status: Number(status) }],
    });
    const error = await failureOf(download(test));
    assertEquals(error.failure, failure);
    assertStringIncludes(error.message, String(status));
    assertEquals(test.server.requests.length, 1);
  }
});

Deno.test("downloadFile says that a server cannot be reached", async () => {
  await using test = await scene();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/x`;
  listener.close();
  const error = await failureOf(downloadFile(url, test.path, { attempts: 2, retryDelayMs: 1 }));
  assertEquals(error.failure, "unreachable");
  assertStringIncludes(error.message, "the connection was refused");
});

Deno.test("downloadFile with cacheOnly asks nothing", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: BODY });
  const error = await failureOf(download(test, { cacheOnly: true }));
  assertEquals(error.failure, "not_cached");
  assertEquals(test.server.requests, []);
});

Deno.test("downloadFile shows no password of a URL in messages, and sends it as a header", async () => {
  await using test = await scene();
  const url = test.url.replace("//", "//user:secret@");
  const error = await failureOf(downloadFile(url, test.path));
  assertEquals(error.message.includes("secret"), false);
  assertEquals(
    test.server.requests[0]?.headers.get("authorization"),
    `Basic ${btoa("user:secret")}`,
  );
});

Deno.test("downloadFile stops when its signal aborts, with the signal's reason", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: BODY, faults: [{ kind: "stall" }] });
  const abort = new AbortController();
  const reason = new Error("enough");
  const error = await assertRejects(() =>
    download(test, {
      signal: abort.signal,
      onProgress: ({ receivedBytes }) => receivedBytes > 0 && abort.abort(reason),
    })
  );
  assertEquals(error, reason);
});

Deno.test("downloadFile called twice at once downloads once", async () => {
  await using test = await scene();
  test.server.files.set("/file.bin", { body: BODY });
  await Promise.all([
    download(test, { checksum: CHECKSUM }),
    download(test, { checksum: CHECKSUM }),
  ]);
  assertEquals(test.server.requests.length, 1);
});

Deno.test({
  name: "downloadFile says that the disk is full",
  // /dev/full answers each write with ENOSPC.
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using test = await scene();
    await Deno.mkdir(join(test.folder, "deep"));
    await Deno.symlink("/dev/full", `${test.path}.part`);
    test.server.files.set("/file.bin", { body: BODY });
    const error = await failureOf(download(test, { checksum: CHECKSUM }));
    assertEquals(error.failure, "disk_full");
    assertStringIncludes(error.message, "the disk is full");
  },
});

Deno.test("downloadFile says that the cache cannot be written", async () => {
  await using test = await scene();
  await Deno.writeTextFile(join(test.folder, "deep"), "a file where a folder should be");
  const error = await failureOf(download(test));
  assertEquals(error.failure, "not_writable");
});
