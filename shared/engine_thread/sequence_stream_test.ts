import { assertEquals, assertRejects } from "@std/assert/mod.js";
import type { SequenceEvent } from "../engine/engine.ts";
import { SequenceStream } from "./sequence_stream.ts";

const SCHEDULED: SequenceEvent = { type: "scheduled", atMs: 1, cachedTokens: 0 };
const FINISHED: SequenceEvent = { type: "finished", reason: "stop" };

function startStream() {
  const calls: string[] = [];
  const stream = new SequenceStream({
    importKv: (firstBlock) => calls.push(`import ${firstBlock}`),
    begin: (firstToken) => calls.push(`begin ${firstToken}`),
    cancel: () => calls.push("cancel"),
  });
  return { stream, calls };
}

Deno.test("SequenceStream gives events in order, those pushed before and while it is read", async () => {
  const { stream, calls } = startStream();
  stream.push(SCHEDULED);
  const events = Array.fromAsync(stream);
  queueMicrotask(() => stream.push(FINISHED));
  assertEquals(await events, [SCHEDULED, FINISHED]);
  assertEquals(calls, []);
});

Deno.test("SequenceStream drops events after the last and commands to an ended sequence", async () => {
  const { stream, calls } = startStream();
  stream.importKv(2, new Uint8Array(1));
  stream.begin(7);
  stream.push(FINISHED);
  stream.push(SCHEDULED);
  stream.importKv(3, new Uint8Array(1));
  stream.begin(8);
  stream.cancel();
  assertEquals(await Array.fromAsync(stream), [FINISHED]);
  assertEquals(calls, ["import 2", "begin 7"]);
});

Deno.test("SequenceStream cancels when its reader leaves before the end", async () => {
  const { stream, calls } = startStream();
  stream.push(SCHEDULED);
  for await (const _event of stream) break;
  assertEquals(calls, ["cancel"]);
});

Deno.test("SequenceStream can be read once only", async () => {
  const { stream } = startStream();
  stream.push(FINISHED);
  await Array.fromAsync(stream);
  await assertRejects(() => Array.fromAsync(stream), TypeError, "twice");
});
