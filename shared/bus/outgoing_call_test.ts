import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import { FakeLink, FakeTicker } from "../../tests/bus/fake_link.ts";
import { epochMs } from "../clock/epoch_clock.ts";
import { CallError, type CallOptions } from "./bus.ts";
import { Inbox } from "./inbox.ts";
import type { IncomingMessage } from "./message.ts";
import { OutgoingCall } from "./outgoing_call.ts";
import { encodePayload } from "./payload.ts";
import type { Closable } from "./transport.ts";

const SUBJECT = "dyn.n.decode.generate.w";

function startCall(options: CallOptions = {}) {
  const link = new FakeLink();
  const ticker = new FakeTicker();
  const open = new Set<Closable>();
  const inbox = new Inbox(link, "_INBOX.x");
  const call = new OutgoingCall<string>(
    { link, ticker, inbox },
    { callId: "c", subject: SUBJECT, payload: "p", options },
  );
  call.start(open);
  function answer(message: Partial<IncomingMessage>, purpose = ""): void {
    const subject = `_INBOX.x.c${purpose && `.${purpose}`}`;
    link.deliver("_INBOX.x.>", { subject, ...message });
  }
  return { link, ticker, open, call, answer };
}

async function failureOf(call: OutgoingCall<string>): Promise<CallError> {
  return await assertRejects(() => call.next(), CallError);
}

Deno.test("OutgoingCall sends its request with an address for the answers", () => {
  const { link, open } = startCall({ headers: { traceparent: "00" }, deadlineAtMs: 1e15 });
  const [request] = link.published;
  assertEquals(request, {
    subject: SUBJECT,
    kind: "call",
    callId: "c",
    headers: { traceparent: "00" },
    timeoutMs: request?.timeoutMs ?? NaN,
    data: encodePayload("p"),
    replyTo: "_INBOX.x.c",
  });
  const leftMs = 1e15 - epochMs();
  assert(Math.abs((request?.timeoutMs ?? NaN) - leftMs) < 60_000);
  for (const call of open) call.close();
});

Deno.test("OutgoingCall has its time whatever becomes of the host's clock", () => {
  const now = Date.now;
  Date.now = () => now() + 3_600_000;
  try {
    const { link, open } = startCall({ deadlineAtMs: epochMs() + 60_000 });
    assertEquals(link.takeKinds(), ["call"]);
    for (const call of open) call.close();
  } finally {
    Date.now = now;
  }
});

Deno.test("OutgoingCall frees all it holds when it ends", async () => {
  const { link, ticker, open, call, answer } = startCall();
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  answer({ kind: "end", sequence: 1 });
  assertEquals((await call.next()).value?.body, "a");
  assert((await call.next()).done);
  assert(ticker.isIdle);
  assertEquals([open.size, link.takeKinds()], [0, ["call"]]);
});

Deno.test("OutgoingCall fails on a missing, repeated or unnumbered frame, and cancels", async () => {
  for (const sequence of [2, 0, NaN]) {
    const { link, call, answer } = startCall();
    answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
    answer({ kind: "frame", sequence, data: encodePayload("b") });
    assertEquals((await call.next()).value?.body, "a");
    assertEquals((await failureOf(call)).failure, "disconnected");
    assertEquals(link.takeKinds(), ["call", "cancel"]);
  }
});

Deno.test("OutgoingCall finds by a pong that the last frames were lost", async () => {
  const { call, answer } = startCall();
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  answer({ kind: "pong", sequence: 1 }, "ping");
  answer({ kind: "pong", sequence: 3 }, "ping");
  await call.next();
  assertEquals((await failureOf(call)).failure, "disconnected");
});

Deno.test("OutgoingCall fails when an end comes before all frames", async () => {
  const { call, answer } = startCall();
  answer({ kind: "end", sequence: 1 });
  assertEquals((await failureOf(call)).failure, "disconnected");
});

Deno.test("OutgoingCall tells nobody who serves from an instance that has gone", async () => {
  const unserved = startCall();
  unserved.answer({ kind: "no_responders" });
  assertEquals((await failureOf(unserved.call)).failure, "no_responders");
  const gone = startCall();
  gone.answer({ kind: "no_responders" }, "ping");
  assertEquals((await failureOf(gone.call)).failure, "disconnected");
});

Deno.test("OutgoingCall fails when the instance does not know it", async () => {
  const { call, answer } = startCall();
  answer({ kind: "unknown" }, "ping");
  assertEquals((await failureOf(call)).failure, "disconnected");
});

Deno.test("OutgoingCall fails after three unanswered pings, and any answer resets the count", async () => {
  const { link, ticker, call, answer } = startCall();
  ticker.tick(3);
  answer({ kind: "pong", sequence: 0 }, "ping");
  ticker.tick(3);
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  ticker.tick(3);
  await call.next();
  assertEquals(link.takeKinds(), ["call", ...Array(9).fill("ping")]);
  ticker.tick();
  assertEquals((await failureOf(call)).failure, "disconnected");
});

Deno.test("OutgoingCall reads a remote deadline as its own and an unreadable error as internal", async () => {
  const late = startCall();
  const body = encodePayload({ code: "deadline_exceeded", text: "t" });
  late.answer({ kind: "error", sequence: 0, data: body });
  assertEquals((await failureOf(late.call)).failure, "deadline_exceeded");
  const garbled = startCall();
  garbled.answer({ kind: "error", sequence: 0, data: new Uint8Array([0xc1]) });
  const error = await failureOf(garbled.call);
  assertEquals([error.failure, error.remoteCode], ["remote_error", "internal"]);
});

Deno.test("OutgoingCall fails on a frame that is not msgpack", async () => {
  const { link, call, answer } = startCall();
  answer({ kind: "frame", sequence: 0, data: new Uint8Array([0xc1]) });
  await assertRejects(() => call.next(), TypeError, "not msgpack");
  assertEquals(link.takeKinds(), ["call", "cancel"]);
});

Deno.test("OutgoingCall drops queued frames when its signal aborts", async () => {
  const abort = new AbortController();
  const { link, call, answer } = startCall({
    signal: abort.signal,
    cancelHeaders: () => ({ traceparent: "01" }),
  });
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  abort.abort(new Error("left"));
  await assertRejects(() => call.next(), Error, "left");
  assertEquals(link.published.at(-1), {
    subject: `${SUBJECT}.control`,
    kind: "cancel",
    callId: "c",
    headers: { traceparent: "01" },
  });
});

Deno.test("OutgoingCall says nothing more after it was left", () => {
  const { link, ticker, call, answer } = startCall();
  call.leave();
  call.leave();
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  ticker.tick(5);
  assertEquals(link.takeKinds(), ["call", "cancel"]);
});

Deno.test("OutgoingCall hands frames to onFrame as they come, and yields nothing before its end", async () => {
  const bodies: unknown[] = [];
  const { call, answer } = startCall({ onFrame: ({ body }) => bodies.push(body) });
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  answer({ kind: "frame", sequence: 1, data: encodePayload("b") });
  assertEquals(bodies, ["a", "b"]);
  answer({ kind: "end", sequence: 2 });
  assertEquals(await call.next(), { done: true, value: undefined });
});

Deno.test("OutgoingCall fails and is cancelled when onFrame throws", async () => {
  const { call, answer, link } = startCall({
    onFrame: () => {
      throw new TypeError("no such frame");
    },
  });
  answer({ kind: "frame", sequence: 0, data: encodePayload("a") });
  await assertRejects(() => call.next(), TypeError, "no such frame");
  assertEquals(link.takeKinds().at(-1), "cancel");
});

Deno.test("OutgoingCall keeps a frame's headers for those after it that came bare", async () => {
  const { call, answer } = startCall();
  const data = encodePayload("a");
  const headers = { traceparent: "00" };
  answer({ kind: "frame", sequence: 0, data, headers });
  answer({ kind: "frame", sequence: 1, data, isBare: true });
  answer({ kind: "frame", sequence: 2, data, headers: {} });
  const frames = [await call.next(), await call.next(), await call.next()];
  assertEquals(frames.map(({ value }) => value?.headers), [headers, headers, {}]);
});
