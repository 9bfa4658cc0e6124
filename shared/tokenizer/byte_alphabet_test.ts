import { assertEquals } from "@std/assert/mod.js";
import { BYTE_CHARACTERS, bytesOfSpelling, spellingOfBytes } from "./byte_alphabet.ts";

Deno.test("the byte alphabet has one character for each byte and survives the round trip", () => {
  assertEquals(new Set(BYTE_CHARACTERS).size, 256);
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assertEquals(bytesOfSpelling(spellingOfBytes(bytes)), bytes);
});

Deno.test("the byte alphabet spells as GPT-2 does", () => {
  assertEquals(spellingOfBytes(new TextEncoder().encode(" a\n\u00e9")), "ĠaĊÃ©");
  assertEquals(spellingOfBytes(Uint8Array.of(0x7f, 0xa0, 0xad)), "ġłŃ");
});

Deno.test("bytesOfSpelling() takes characters outside the alphabet as UTF-8", () => {
  assertEquals(bytesOfSpelling("a你"), new TextEncoder().encode("a你"));
});
