import { assert, assertEquals, assertFalse } from "@std/assert/mod.js";
import { FakeLink, FakeTicker } from "../../tests/bus/fake_link.ts";
import { CallAborted, type CallHandler, HandlerError, type IncomingCall } from "./bus.ts";
import { CallServer } from "./call_server.ts";
import type { IncomingMessage } from "./message.ts";
import { decodePayload, encodePayload } from "./payload.ts";

const SUBJECT = "dyn.n.decode.generate.w";
const CONTROL = `${SUBJECT}.control`;

function startServer(handler: CallHandler) {
  const link = new FakeLink();
  const ticker = new FakeTicker();
  const server = new CallServer(link, ticker, SUBJECT, handler);
  function request(message: Partial<IncomingMessage> = {}): void {
    link.deliver(SUBJECT, { kind: "call", callId: "c", replyTo: "r", ...message });
  }
  return { link, ticker, server, request };
}

/** A handler that never ends by itself, and the calls that it was given. */
function endless(): { handler: CallHandler; calls: IncomingCall[] } {
  const calls: IncomingCall[] = [];
  return {
    calls,
    handler: (call) => {
      calls.push(call);
      return new Promise((_, reject) =>
        call.signal.addEventListener("abort", () => reject(call.signal.reason))
      );
    },
  };
}

function causeOf(call: IncomingCall | undefined): string {
  return call?.signal.reason instanceof CallAborted ? call.signal.reason.abortCause : "none";
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

Deno.test("CallServer numbers the frames of a call and ends it with their count", async () => {
  const { link, request } = startServer(async (call) => {
    call.send("a");
    call.send("b", { traceparent: "00" });
  });
  request();
  await settled();
  assertEquals(link.takeKinds(), ["frame 0", "frame 1", "end 2"]);
});

Deno.test("CallServer ends a failed call with the code of its error", async () => {
  for (
    const [error, code] of [
      [new HandlerError("overloaded", "full"), "overloaded"],
      [new CallAborted("caller_lost"), "caller_lost"],
      [new Error("full"), "internal"],
      ["full", "internal"],
    ] as const
  ) {
    const { link, request } = startServer(async () => {
      throw error;
    });
    request();
    await settled();
    const [answer] = link.published;
    const body = decodePayload(answer?.data ?? new Uint8Array()) as { code: string };
    assertEquals([answer?.kind, body.code], ["error", code]);
  }
});

Deno.test({
  name: "CallServer forgets the deadline of a call that has ended",
  sanitizeOps: true,
  fn: async () => {
    const { link, request } = startServer(async () => {});
    request({ timeoutMs: 3_600_000, data: encodePayload(null) });
    await settled();
    assertEquals(link.takeKinds(), ["end 0"]);
  },
});

Deno.test("CallServer refuses a payload that is not msgpack before the handler runs", async () => {
  const { handler, calls } = endless();
  const { link, request } = startServer(handler);
  request({ data: new Uint8Array([0xc1]) });
  await settled();
  const body = decodePayload(link.published[0]?.data ?? new Uint8Array()) as { code: string };
  assertEquals([body.code, calls.length], ["bad_request", 0]);
});

Deno.test("CallServer aborts a call at the end of its time, by this end's clock", async () => {
  const ended = Promise.withResolvers<string>();
  const { request } = startServer((call) =>
    new Promise(() => call.signal.addEventListener("abort", () => ended.resolve(causeOf(call))))
  );
  request({ timeoutMs: 1, data: encodePayload(1) });
  assertEquals(await ended.promise, "deadline_exceeded");
});

Deno.test("CallServer cuts an error's text to what fits into a message", async () => {
  const { link, request } = startServer(async () => {
    throw new HandlerError("bad_request", "x".repeat(1 << 20));
  });
  request();
  await settled();
  const [answer] = link.published;
  assertEquals(answer?.kind, "error");
  assert((answer?.data?.byteLength ?? Infinity) < 2_048);
});

Deno.test("CallServer ignores a repeated call, one without an address, and other messages", () => {
  const { handler, calls } = endless();
  const { request } = startServer(handler);
  request();
  request();
  request({ callId: "d", replyTo: "" });
  request({ callId: "e", kind: "other" });
  assertEquals(calls.map((call) => call.callId), ["c"]);
});

Deno.test("CallServer answers pings with the count of frames sent, or that it knows no such call", () => {
  const { handler, calls } = endless();
  const { link, request } = startServer(handler);
  request();
  calls[0]?.send("a");
  link.takeKinds();
  link.deliver(CONTROL, { kind: "ping", callId: "c", replyTo: "r.ping" });
  link.deliver(CONTROL, { kind: "ping", callId: "x", replyTo: "r.ping" });
  assertEquals(link.takeKinds(), ["pong 1", "unknown"]);
});

Deno.test("CallServer aborts a call whose caller stays silent, and pings keep it alive", () => {
  const { handler, calls } = endless();
  const { link, ticker, request } = startServer(handler);
  request();
  ticker.tick(9);
  link.deliver(CONTROL, { kind: "ping", callId: "c", replyTo: "r.ping" });
  ticker.tick(9);
  assertFalse(calls[0]?.signal.aborted);
  ticker.tick();
  assertEquals(causeOf(calls[0]), "caller_lost");
});

Deno.test("CallServer aborts only the call that is cancelled, with the cancel's headers", () => {
  const { handler, calls } = endless();
  const { link, request } = startServer(handler);
  request();
  request({ callId: "d" });
  link.deliver(CONTROL, { kind: "cancel", callId: "c", headers: { traceparent: "01" } });
  assertEquals(calls.map(causeOf), ["cancelled", "none"]);
  assertEquals(calls[0]?.signal.reason.headers, { traceparent: "01" });
});

Deno.test("CallServer.stop() takes no calls, keeps the control of running ones and drains", async () => {
  const { handler } = endless();
  const { link, ticker, server, request } = startServer(handler);
  request();
  server.stop();
  assertEquals([link.isSubscribed(SUBJECT), link.isSubscribed(CONTROL)], [false, true]);
  link.deliver(CONTROL, { kind: "cancel", callId: "c" });
  await server.drained;
  assertFalse(link.isSubscribed(CONTROL));
  assert(ticker.isIdle);
});

Deno.test("CallServer.abort() ends running calls as draining, whatever their handlers do", () => {
  const calls: IncomingCall[] = [];
  const { link, server, request } = startServer((call) => {
    calls.push(call);
    return new Promise(() => {});
  });
  request();
  server.abort();
  calls[0]?.send("too late");
  const body = decodePayload(link.published[0]?.data ?? new Uint8Array()) as { code: string };
  assertEquals([body.code, link.published.length, causeOf(calls[0])], ["draining", 1, "closed"]);
});
