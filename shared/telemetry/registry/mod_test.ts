import { assert, assertEquals } from "@std/assert/mod.js";
import { attributeSpec, isOfType, roleOfName, type SpanRole, SPANS } from "./mod.ts";
import type { AttributeType, SpanSpec } from "./spec.ts";

const ROLES = Object.keys(SPANS) as SpanRole[];

function eachSpan(check: (spec: SpanSpec, role: SpanRole) => void): void {
  for (const role of ROLES) check(SPANS[role], role);
}

Deno.test("SPANS gives every role a name of its own, without ids or blanks", () => {
  assertEquals(new Set(ROLES.map((role) => SPANS[role].name)).size, ROLES.length);
  eachSpan(({ name }) => assert(/^[a-z][a-z_]*([.-][a-z_]+)*$/.test(name), name));
});

Deno.test("SPANS names only registered parents", () => {
  const allowed = new Set(["root", "remote", ...ROLES]);
  eachSpan(({ parents, name }) => {
    assert(parents.length > 0, name);
    for (const parent of parents) assert(allowed.has(parent), `${name}: ${parent}`);
  });
});

Deno.test("SPANS never puts a span below one of a deeper level, so that gating leaves no gap", () => {
  eachSpan(({ parents, level, name }) => {
    for (const parent of parents) {
      if (parent === "root" || parent === "remote") continue;
      assert(SPANS[parent as SpanRole].level <= level, `${name} below ${parent}`);
    }
  });
});

Deno.test("SPANS pairs each CONSUMER with a PRODUCER, which draws the service graph's edges", () => {
  eachSpan(({ kind, parents, name }) => {
    if (kind !== "CONSUMER") return;
    assert(parents.some((parent) => SPANS[parent as SpanRole]?.kind === "PRODUCER"), name);
  });
});

Deno.test("SPANS reaches every role from a root", () => {
  const reached = new Set<string>(["root", "remote"]);
  for (let before = 0; before < reached.size;) {
    before = reached.size;
    eachSpan(({ parents }, role) =>
      parents.some((parent) => reached.has(parent)) && reached.add(role)
    );
  }
  assertEquals(ROLES.filter((role) => !reached.has(role)), []);
});

Deno.test("SPANS gives times in milliseconds a unit and the type double", () => {
  eachSpan(({ attributes, name }) => {
    for (const [key, { type, unit }] of Object.entries(attributes)) {
      if (key.endsWith("_ms")) assertEquals([type, unit], ["double", "ms"], `${name} ${key}`);
    }
  });
});

Deno.test("roleOfName finds registered names only", () => {
  assertEquals(roleOfName("http-request"), "http_request");
  assertEquals(roleOfName("router.route_request"), "route_request");
  assertEquals(roleOfName("http_request"), null);
});

Deno.test("attributeSpec finds a role's attributes and those of any role, not an object's own", () => {
  assertEquals(attributeSpec("kv_send", "kv.bytes")?.type, "int");
  assertEquals(attributeSpec("kv_send", "error.type")?.type, "string");
  assertEquals(attributeSpec("kv_send", "phase"), null);
  assertEquals(attributeSpec("kv_send", "toString"), null);
});

Deno.test("isOfType accepts what each type may hold and nothing else", () => {
  const cases: [AttributeType, unknown[], unknown[]][] = [
    ["string", ["", "a"], [1, true, null, ["a"], {}]],
    ["int", [0, -3, 2 ** 40], [1.5, NaN, Infinity, 2 ** 60, "1", 1n]],
    ["double", [0, 1.5, -2], [NaN, -Infinity, "1.5"]],
    ["boolean", [true, false], [0, "true", null]],
    ["string[]", [[], ["a", "b"]], ["a", [1], ["a", null]]],
  ];
  for (const [type, good, bad] of cases) {
    const spec = { type, description: "" };
    for (const value of good) assert(isOfType(spec, value), `${type} ${value}`);
    for (const value of bad) assert(!isOfType(spec, value), `${type} ${value}`);
  }
});
