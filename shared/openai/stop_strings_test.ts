import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { StopMatcher } from "./stop_strings.ts";

/** All that a matcher gives out for `pieces`, and whether it stopped. */
function run(stops: string[], pieces: string[]): { shown: string[]; isStopped: boolean } {
  const matcher = new StopMatcher(stops);
  const shown: string[] = [];
  for (const piece of pieces) {
    const { text, isStopped } = matcher.push(piece);
    shown.push(text);
    if (isStopped) return { shown, isStopped };
  }
  shown.push(matcher.flush());
  return { shown, isStopped: false };
}

Deno.test("StopMatcher passes text through when there is nothing to stop at", () => {
  assertEquals(run([], ["a", "b"]), { shown: ["a", "b", ""], isStopped: false });
});

Deno.test("StopMatcher never shows a part of a stop string that spans pieces", () => {
  assertEquals(run(["END"], ["one E", "N", "D two"]), {
    shown: ["one ", "", ""],
    isStopped: true,
  });
});

Deno.test("StopMatcher gives out a refuted beginning as soon as it is refuted", () => {
  assertEquals(run(["END"], ["E", "N", "x"]).shown, ["", "", "ENx", ""]);
});

Deno.test("StopMatcher gives out what it held when the text ends", () => {
  assertEquals(run(["END"], ["one E"]), { shown: ["one ", "E"], isStopped: false });
});

Deno.test("StopMatcher ends at the earliest of several matches", () => {
  assertEquals(run(["later", "now"], ["right now or later"]).shown, ["right "]);
});

Deno.test("StopMatcher finds a match that begins inside a false start", () => {
  assertEquals(run(["aab"], ["a", "a", "a", "b"]), { shown: ["", "", "a", ""], isStopped: true });
});

Deno.test("StopMatcher holds the longest beginning over all stop strings", () => {
  assertEquals(run(["\n\n", "\n\nUser:"], ["x\n"]).shown, ["x", "\n"]);
});

Deno.test("StopMatcher shows nothing after it stopped", () => {
  const matcher = new StopMatcher(["."]);
  assertEquals(matcher.push("a.b"), { text: "a", isStopped: true });
  assertEquals(matcher.push("c"), { text: "", isStopped: true });
  assertEquals(matcher.flush(), "");
});

Deno.test("StopMatcher gives the same text however it is cut", () => {
  const text = "abcabdabcabcabd!";
  const stops = ["abcabd", "zzz"];
  const whole = run(stops, [text]);
  for (let at = 0; at <= text.length; at++) {
    const cut = run(stops, [text.slice(0, at), text.slice(at)]);
    assertEquals([cut.shown.join(""), cut.isStopped], [whole.shown.join(""), true]);
  }
  assertEquals(run(stops, [...text]).shown.join(""), "");
  assertEquals(whole.shown.join(""), "");
});

Deno.test("StopMatcher refuses an empty stop string", () => {
  assertThrows(() => new StopMatcher([""]), RangeError, "empty");
});
