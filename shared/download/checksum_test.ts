import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { createHash } from "node:crypto";
import { fileSha256, parseIntegrity, sha256Checksum } from "./checksum.ts";

function sri(algorithm: "sha1" | "sha512"): string {
  return `${algorithm}-${createHash(algorithm).update("x").digest("base64")}`;
}

Deno.test("parseIntegrity takes the strongest algorithm of an SRI string", () => {
  const sha512 = createHash("sha512").update("x").digest("hex");
  assertEquals(parseIntegrity(`${sri("sha1")} ${sri("sha512")}?opt`), {
    algorithm: "sha512",
    hex: sha512,
  });
  assertEquals(parseIntegrity(sri("sha1")).algorithm, "sha1");
});

Deno.test("parseIntegrity refuses unknown algorithms and cut values", () => {
  assertThrows(() => parseIntegrity("md5-abc"), RangeError, "no sha512, sha256 or sha1");
  assertThrows(() => parseIntegrity("sha512-AAAA"), RangeError, "128 hex digits");
  assertThrows(() => parseIntegrity("sha512-***"), RangeError, "128 hex digits");
});

Deno.test("sha256Checksum takes 64 hex digits of either case and nothing else", () => {
  assertEquals(sha256Checksum("AB".repeat(32)).hex, "ab".repeat(32));
  assertThrows(() => sha256Checksum("ab"), RangeError, "64 hex digits");
});

Deno.test("fileSha256 equals the digest of the bytes", async () => {
  const path = await Deno.makeTempFile();
  const bytes = new Uint8Array(3_000_000).fill(7);
  await Deno.writeFile(path, bytes);
  assertEquals(await fileSha256(path), createHash("sha256").update(bytes).digest("hex"));
  await Deno.remove(path);
});
