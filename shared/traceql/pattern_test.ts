import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { QueryLimitError } from "./errors.ts";
import { matchesPattern, PatternError } from "./pattern.ts";

Deno.test("matchesPattern takes the whole text, flags in front, classes and names as RE2 writes them", () => {
  assertEquals(matchesPattern("a+", "aa"), true);
  assertEquals(matchesPattern("a+", "xaa"), false);
  assertEquals(matchesPattern("a.c", "a\nc"), true);
  assertEquals(matchesPattern("(?i)engine\\..*", "ENGINE.decode"), true);
  assertEquals(matchesPattern("(?P<word>[[:alpha:]]+)\\pN\\z", "ab7"), true);
  assertEquals(matchesPattern("\\Qa.b\\E", "axb"), false);
  assertEquals(matchesPattern("é.", "é😀"), true);
});

Deno.test("matchesPattern answers again as it did, also of more texts than it remembers", () => {
  for (const turn of [1, 2]) {
    for (let number = 0; number < 3000; number++) {
      assertEquals(matchesPattern(".*7", `stage ${number}`), number % 10 === 7, `turn ${turn}`);
    }
  }
});

Deno.test("matchesPattern refuses with the reason what RE2 leaves out, and what is too large", () => {
  for (const pattern of ["(a)\\1", "(?=a)", "(?<!a)b", "(", "a{1001}", "((a{100}){100}){100}"]) {
    assertThrows(() => matchesPattern(pattern, "a"), PatternError, "error parsing regexp");
  }
  assertThrows(() => matchesPattern("(?:a|b.*){900}", "a"), PatternError, "instructions");
  assertThrows(() => matchesPattern("(".repeat(9000) + ")".repeat(9000), ""), PatternError);
});

Deno.test("matchesPattern ends where a backtracking engine would not", () => {
  const text = "a".repeat(20_000);
  for (const pattern of ["(a+)+b", "(a|aa)+b", "(a*)*b", "(.*a){12}b", "(x+x+)+y"]) {
    assertEquals(matchesPattern(pattern, text), false);
  }
});

Deno.test("matchesPattern takes long texts with usual patterns, and refuses what would take seconds", () => {
  const text = "x".repeat(1_000_000);
  assertEquals(matchesPattern(".*y.*", text), false);
  const large = ".*a.{400}b.*";
  assertEquals(matchesPattern(large, text.slice(0, 30_000)), false);
  assertThrows(() => matchesPattern(large, text), QueryLimitError, "1000000 characters");
});
