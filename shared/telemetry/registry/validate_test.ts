import { assertEquals } from "@std/assert/mod.js";
import { type ExportedSpan, validateSpan } from "./validate.ts";

const CHUNK: ExportedSpan = {
  name: "engine.prefill_chunk",
  kind: "INTERNAL",
  hasError: false,
  attributes: { "chunk.index": 0, "chunk.tokens": 128 },
  events: [],
};
const PREFILL = { name: "engine.prefill" };

Deno.test("validateSpan finds nothing wrong with a span as declared", () => {
  assertEquals(validateSpan(CHUNK, PREFILL), []);
});

Deno.test("validateSpan tells a name that is not registered", () => {
  assertEquals(validateSpan({ ...CHUNK, name: "engine.nap" }, PREFILL), [
    'span "engine.nap" is not registered',
  ]);
});

Deno.test("validateSpan tells every fault of a span", () => {
  const faults = validateSpan({
    ...CHUNK,
    kind: "CLIENT",
    attributes: { "chunk.index": "0", colour: "red" },
    events: [{ name: "sneeze", attributes: {} }],
  }, { name: "kv.send" });
  assertEquals(faults, [
    "engine.prefill_chunk: kind is CLIENT, not INTERNAL",
    "engine.prefill_chunk: parent is kv.send, not one of engine_prefill",
    "engine.prefill_chunk: attribute chunk.index is not int",
    "engine.prefill_chunk: attribute colour is not registered",
    "engine.prefill_chunk: attribute chunk.tokens is missing",
    "engine.prefill_chunk: event sneeze is not registered",
  ]);
});

Deno.test("validateSpan asks for no required attribute of a span that failed", () => {
  const failed = { ...CHUNK, hasError: true, attributes: { "error.type": "engine_failed" } };
  assertEquals(validateSpan(failed, PREFILL), []);
});

Deno.test("validateSpan tells a root and a remote parent from a registered one", () => {
  const request = {
    ...CHUNK,
    name: "http-request",
    kind: "SERVER",
    hasError: true,
    attributes: {},
  } as const;
  assertEquals(validateSpan(request, "root"), []);
  assertEquals(validateSpan(request, "remote"), []);
  assertEquals(validateSpan(CHUNK, "root"), [
    "engine.prefill_chunk: parent is root, not one of engine_prefill",
  ]);
});

Deno.test("validateSpan checks the attributes of events", () => {
  const request = {
    name: "http-request",
    kind: "SERVER",
    hasError: true,
    attributes: {},
    events: [{ name: "migrated", attributes: { attempt: "2", "error.type": "x", colour: "red" } }],
  } as const;
  assertEquals(validateSpan(request, "root"), [
    "http-request: attribute attempt of event migrated is not int",
    "http-request: attribute colour of event migrated is not registered",
  ]);
});
