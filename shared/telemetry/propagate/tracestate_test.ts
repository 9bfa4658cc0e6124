import { assertEquals } from "@std/assert/mod.js";
import { parseTracestate } from "./tracestate.ts";

Deno.test("parseTracestate keeps members and their order", () => {
  assertEquals(parseTracestate("foo=1"), "foo=1");
  assertEquals(
    parseTracestate("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
    "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  );
});

Deno.test("parseTracestate accepts every character that a key and a value may have", () => {
  const key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
  const tenant = `0123456789_-*/a@${key.slice(0, 14)}`;
  const value = Array.from({ length: 0x7e - 0x20 + 1 }, (_, i) => String.fromCharCode(0x20 + i))
    .filter((c) => c !== "," && c !== "=").join("");
  assertEquals(parseTracestate(`${key}=${value}`), `${key}=${value}`);
  assertEquals(parseTracestate(`${tenant}=${value}`), `${tenant}=${value}`);
});

Deno.test("parseTracestate drops blanks around members and empty members", () => {
  assertEquals(parseTracestate("foo=1 \t , \t bar=2, \t baz=3"), "foo=1,bar=2,baz=3");
  assertEquals(parseTracestate("foo=1,\t"), "foo=1");
  assertEquals(parseTracestate(",foo=1,,bar=2,"), "foo=1,bar=2");
});

Deno.test("parseTracestate keeps leading blanks inside a value", () => {
  assertEquals(parseTracestate("foo=  a b"), "foo=  a b");
});

Deno.test("parseTracestate keeps the first of repeated keys", () => {
  assertEquals(parseTracestate("foo=1,bar=2,foo=3"), "foo=1,bar=2");
});

Deno.test("parseTracestate accepts 32 members and discards a list of 33", () => {
  const members = Array.from({ length: 33 }, (_, i) => `bar${i}=${i}`);
  assertEquals(parseTracestate(members.slice(0, 32).join(",")), members.slice(0, 32).join(","));
  assertEquals(parseTracestate(members.join(",")), null);
});

Deno.test("parseTracestate holds the length limits of keys and values", () => {
  const z = (count: number) => "z".repeat(count);
  for (const key of [z(256), `${z(241)}@${z(14)}`]) {
    assertEquals(parseTracestate(`${key}=1`), `${key}=1`);
  }
  for (const key of [z(257), `${z(242)}@v`, `t@${z(15)}`]) {
    assertEquals(parseTracestate(`foo=1,${key}=1`), null);
  }
  assertEquals(parseTracestate(`foo=${z(256)}`), `foo=${z(256)}`);
  assertEquals(parseTracestate(`foo=${z(257)}`), null);
});

Deno.test("parseTracestate does not cut a long valid list", () => {
  const long = Array.from({ length: 32 }, (_, i) => `k${i}=${"v".repeat(200)}`).join(",");
  assertEquals(parseTracestate(long), long);
});

for (
  const header of [
    "foo =1",
    "FOO=1",
    "foo.bar=1",
    "1foo=1",
    "foo@=1,bar=2",
    "@foo=1,bar=2",
    "foo@@bar=1,bar=2",
    "foo@bar@baz=1,bar=2",
    "foo@1bar=1",
    "foo=bar=baz",
    "foo=,bar=3",
    "foo",
    "=1",
    "foo=\u00e9",
    "foo=a\u0000",
  ]
) {
  Deno.test(`parseTracestate discards the whole list of ${JSON.stringify(header)}`, () => {
    assertEquals(parseTracestate(`ok=1,${header}`), null);
  });
}

Deno.test("parseTracestate gives null for no header and an empty one", () => {
  assertEquals(parseTracestate(undefined), null);
  assertEquals(parseTracestate(""), null);
  assertEquals(parseTracestate(" , "), null);
});
