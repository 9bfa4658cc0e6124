import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { makeTar, makeZip, type TarMember, type ZipMember } from "../../tests/kit/archives.ts";
import { DownloadError } from "./errors.ts";
import { readTar } from "./tar_reader.ts";
import { readZipDirectory, readZipEntry } from "./zip_reader.ts";

/** In pieces of an odd size, so that headers and bodies are cut anywhere. */
async function* inPieces(bytes: Uint8Array, size = 777): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  return text;
}

async function tarContents(bytes: Uint8Array): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  for await (const entry of readTar(inPieces(bytes))) {
    contents[entry.name] = await textOf(entry.body);
  }
  return contents;
}

async function tarError(bytes: Uint8Array): Promise<string> {
  const error = await assertRejects(() => tarContents(bytes), DownloadError);
  assertEquals(error.failure, "bad_archive");
  return error.message.replace("Cannot read the tar archive: it has ", "");
}

Deno.test("readTar yields regular files with their content", async () => {
  const tar = makeTar([
    { name: "package/a.txt", content: "alpha" },
    { name: "package/empty" },
    { name: "package/big", content: "x".repeat(5000) },
  ]);
  assertEquals(await tarContents(tar), {
    "package/a.txt": "alpha",
    "package/empty": "",
    "package/big": "x".repeat(5000),
  });
});

Deno.test("readTar skips what its caller does not read, and links, folders and devices", async () => {
  const tar = makeTar([
    { name: "skipped", content: "s".repeat(3000) },
    { name: "folder/", type: "5" },
    { name: "link", type: "2" },
    { name: "device", type: "3" },
    { name: "wanted", content: "here" },
  ]);
  const names: string[] = [];
  for await (const entry of readTar(inPieces(tar))) {
    names.push(entry.name);
    if (entry.name === "wanted") assertEquals(await textOf(entry.body), "here");
  }
  assertEquals(names, ["skipped", "wanted"]);
});

Deno.test("readTar reads ustar prefixes, GNU long names and pax paths", async () => {
  const long = "d/".repeat(80) + "name";
  const pax = (record: string) => `${record.length + 5} ${record}\n`;
  const paxRecord = pax(`path=${"p".repeat(200)}`);
  assertEquals(Number(paxRecord.split(" ")[0]), paxRecord.length);
  const tar = makeTar([
    { name: "file", prefix: "some/folder", content: "1" },
    { name: "@LongLink", type: "L", content: `${long}\0` },
    { name: "cut", content: "2" },
    { name: "pax", type: "x", content: paxRecord },
    { name: "cut", content: "3" },
    { name: "plain", content: "4" },
  ]);
  assertEquals(await tarContents(tar), {
    "some/folder/file": "1",
    [long]: "2",
    ["p".repeat(200)]: "3",
    "plain": "4",
  });
});

Deno.test("readTar refuses a truncated archive", async () => {
  const tar = makeTar([{ name: "a", content: "x".repeat(2000) }]);
  assertEquals(
    await tarError(tar.subarray(0, 1500)),
    "fewer bytes than its headers say: it is truncated",
  );
  assertEquals(
    await tarError(tar.subarray(0, 100)),
    "fewer bytes than its headers say: it is truncated",
  );
});

Deno.test("readTar refuses damaged headers and records, and oversized ones, in bounded memory", async () => {
  const damaged = makeTar([{ name: "a", content: "x" }]);
  damaged[0] = 98;
  assertEquals(await tarError(damaged), "a damaged header");
  const cases: [TarMember, string][] = [
    [{ name: "n", type: "L", claimedBytes: 1 << 30 }, `a header of ${1 << 30} bytes`],
    [{ name: "p", type: "x", content: "no record" }, "a damaged pax record"],
    [{ name: "p", type: "x", content: "99 path=x\n" }, "a damaged pax record"],
  ];
  for (const [member, message] of cases) assertEquals(await tarError(makeTar([member])), message);
});

async function withZip<T>(
  bytes: Uint8Array,
  body: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    using file = await Deno.open(path);
    return await body(file);
  } finally {
    await Deno.remove(path);
  }
}

async function zipContents(bytes: Uint8Array): Promise<Record<string, string>> {
  return await withZip(bytes, async (file) => {
    const contents: Record<string, string> = {};
    for (const entry of await readZipDirectory(file)) {
      contents[entry.name] = await textOf(readZipEntry(file, entry));
    }
    return contents;
  });
}

async function zipError(bytes: Uint8Array): Promise<string> {
  const error = await assertRejects(() => zipContents(bytes), DownloadError);
  assertEquals(error.failure, "bad_archive");
  return error.message.replace("Cannot read the zip archive: it has ", "");
}

const GOOD: ZipMember[] = [
  { name: "a.txt", content: "alpha ".repeat(1000) },
  { name: "b/stored", content: "beta", isStored: true },
  { name: "empty", content: "" },
];

Deno.test("readZipEntry reads deflated, stored and empty files", async () => {
  assertEquals(await zipContents(makeZip(GOOD)), {
    "a.txt": "alpha ".repeat(1000),
    "b/stored": "beta",
    "empty": "",
  });
});

Deno.test("readZipDirectory finds the end record before a comment that looks like one", async () => {
  const contents = await zipContents(makeZip(GOOD, "PK\x05\x06 is not an end record"));
  assertEquals(contents["b/stored"], "beta");
});

Deno.test("readZipDirectory refuses what is truncated or no zip", async () => {
  const zip = makeZip(GOOD);
  assertEquals(await zipError(new Uint8Array(10)), "too few bytes to be one");
  assertEquals(
    await zipError(zip.subarray(0, zip.length - 30)),
    "no end record: it is truncated, or no zip",
  );
  assertEquals(await zipError(zip.subarray(20)), "a directory outside the file");
});

Deno.test("readZipDirectory refuses encryption and unknown methods", async () => {
  const file = { name: "x", content: "x" };
  assertEquals(
    await zipError(makeZip([{ ...file, claimed: { flags: 1 } }])),
    "an encrypted file, x",
  );
  assertEquals(
    await zipError(makeZip([{ ...file, claimed: { method: 93 } }])),
    "x in compression method 93",
  );
});

Deno.test("readZipEntry refuses a bomb, a wrong CRC, damaged data and a wrong offset", async () => {
  const bomb = { name: "bomb", content: new Uint8Array(1 << 20), claimed: { sizeBytes: 10 } };
  assertEquals(await zipError(makeZip([bomb])), "damaged data in bomb");
  const wrong = { name: "crc", content: "text", claimed: { crc32: 1 } };
  assertEquals(await zipError(makeZip([wrong])), "damaged data in crc");
  const damaged = makeZip(GOOD);
  damaged.fill(0xff, 36, 50);
  assertEquals(await zipError(damaged), "damaged data in a.txt");
  const misplaced = { name: "off", content: "text", claimed: { headerOffset: 3 } };
  assertEquals(await zipError(makeZip([misplaced])), "a damaged header of off");
});
