import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert/mod.js";
import {
  CallAborted,
  CallError,
  type Frame,
  HandlerError,
  type IncomingCall,
} from "../../shared/bus/mod.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus, generateSubject } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

Deno.test("call() yields every frame in order, with bodies and headers, and ends", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  worker.serve("decode", "generate", "w", async (call) => {
    for (let n = 0; n < 1000; n++) call.send({ n }, n === 7 ? { "x-note": "seven" } : undefined);
  });
  await worker.ping();
  const frames = await collect(caller.call<{ n: number }>(generateSubject("w"), null));
  assertEquals(frames.map((frame) => frame.body.n), Array.from({ length: 1000 }, (_, n) => n));
  assertEquals(frames[7]?.headers, { "x-note": "seven" });
  assertEquals(frames[8]?.headers, {});
});

Deno.test("call() carries payload and headers to the handler as they were", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const seen = Promise.withResolvers<IncomingCall>();
  worker.serve("decode", "generate", "w", async (call) => seen.resolve(call));
  await worker.ping();
  const headers = {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "vendor=a:b;c,other=1",
    "x-request-id": "r 1",
  };
  const payload = { promptTokens: [1, 2, 49151], sampling: { temperature: 0.7 } };
  await collect(caller.call(generateSubject("w"), payload, { headers }));
  const call = await within("the call", seen.promise);
  assertEquals(call.payload, payload);
  assertEquals(call.headers, headers);
});

Deno.test("call() fails with no_responders at once when nobody serves the subject", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server, { keepaliveMs: 60_000 });
  assertEquals(await failureOf(caller.call(generateSubject("nobody"), null)), ["no_responders"]);
});

Deno.test("call() fails with the code of a HandlerError, and internal for other errors", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  worker.serve("decode", "generate", "w", async (call) => {
    call.send("first");
    if (call.payload === "coded") throw new HandlerError("overloaded", "The queue is full");
    throw new Error("broken");
  });
  await worker.ping();
  const frames: unknown[] = [];
  const coded = await assertRejects(async () => {
    for await (const frame of caller.call(generateSubject("w"), "coded")) frames.push(frame.body);
  }, CallError);
  assertEquals(frames, ["first"]);
  assertEquals(
    [coded.failure, coded.remoteCode, coded.message],
    ["remote_error", "overloaded", "The queue is full"],
  );
  assertEquals(await failureOf(caller.call(generateSubject("w"), "other")), [
    "remote_error",
    "internal",
  ]);
});

Deno.test("call() cancelled by its signal throws the reason and aborts the handler", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const aborted = serveUntilAborted(worker);
  await worker.ping();
  const abort = new AbortController();
  const call = caller.call(generateSubject("w"), null, {
    signal: abort.signal,
    cancelHeaders: () => ({ traceparent: "cancel" }),
  });
  const reason = new Error("the client left");
  const error = await assertRejects(async () => {
    for await (const _ of call) abort.abort(reason);
  });
  assertEquals(error, reason);
  const { abortCause, headers } = await within("the abort", aborted);
  assertEquals([abortCause, headers], ["cancelled", { traceparent: "cancel" }]);
});

Deno.test("call() with an aborted signal never leaves", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  const call = caller.call(generateSubject("nobody"), null, {
    signal: AbortSignal.abort(new Error("too late")),
  });
  await assertRejects(() => collect(call), Error, "too late");
});

Deno.test("leaving the loop of a call early aborts the handler", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const aborted = serveUntilAborted(worker);
  await worker.ping();
  for await (const _ of caller.call(generateSubject("w"), null)) break;
  assertEquals((await within("the abort", aborted)).abortCause, "cancelled");
});

Deno.test("a deadline ends a call at both ends", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const aborted = serveUntilAborted(worker);
  await worker.ping();
  const deadlineAtMs = epochMs() + 500;
  const [failure] = await failureOf(caller.call(generateSubject("w"), null, { deadlineAtMs }));
  assertEquals(failure, "deadline_exceeded");
  // Timers count whole milliseconds.
  assert(epochMs() >= deadlineAtMs - 2);
  assert(
    ["deadline_exceeded", "cancelled"].includes((await within("the abort", aborted)).abortCause),
  );
});

Deno.test("a deadline in the past fails the call before it leaves", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  const call = caller.call(generateSubject("nobody"), null, { deadlineAtMs: epochMs() - 1 });
  assertEquals(await failureOf(call), ["deadline_exceeded"]);
});

Deno.test("a quiet call stays open for many keepalive periods", async () => {
  await using server = await NatsServer.start();
  const options = { keepaliveMs: 250 };
  await using caller = await connectTestBus(server, options);
  await using worker = await connectTestBus(server, options);
  worker.serve("decode", "generate", "w", (call) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, 12 * options.keepaliveMs);
      call.signal.addEventListener("abort", () => reject(call.signal.reason));
    }));
  await worker.ping();
  assertEquals(await collect(caller.call(generateSubject("w"), null)), []);
});

Deno.test("200 concurrent calls each get their own frames", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  worker.serve("decode", "generate", "w", async (call) => {
    for (let n = 0; n < 20; n++) {
      call.send([call.payload, n]);
      await Promise.resolve();
    }
  });
  await worker.ping();
  const calls = Array.from(
    { length: 200 },
    (_, id) => collect(caller.call<[number, number]>(generateSubject("w"), id)),
  );
  for (const [id, frames] of (await Promise.all(calls)).entries()) {
    assertEquals(frames.map((frame) => frame.body), Array.from({ length: 20 }, (_, n) => [id, n]));
  }
});

Deno.test("after unserve new calls find no responders and running ones go on", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const release = Promise.withResolvers<void>();
  const unserve = worker.serve("decode", "generate", "w", async (call) => {
    call.send("started");
    await release.promise;
    call.send("finished");
  });
  await worker.ping();
  const running = caller.call<string>(generateSubject("w"), null)[Symbol.asyncIterator]();
  assertEquals((await running.next()).value?.body, "started");
  unserve();
  await worker.ping();
  assertEquals(await failureOf(caller.call(generateSubject("w"), null)), ["no_responders"]);
  release.resolve();
  assertEquals((await running.next()).value?.body, "finished");
  assert((await running.next()).done);
});

Deno.test("drain() lets running calls end, then closes", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  const worker = await connectTestBus(server);
  const release = Promise.withResolvers<void>();
  worker.serve("decode", "generate", "w", async (call) => {
    call.send("started");
    await release.promise;
    call.send("finished");
  });
  await worker.ping();
  const running = caller.call<string>(generateSubject("w"), null)[Symbol.asyncIterator]();
  await running.next();
  const drained = worker.drain(10_000);
  release.resolve();
  assertEquals((await running.next()).value?.body, "finished");
  assert((await running.next()).done);
  await drained;
  assertEquals(worker.isConnected, false);
});

Deno.test("drain() out of time aborts what runs and tells its caller", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  const worker = await connectTestBus(server);
  const aborted = serveUntilAborted(worker);
  await worker.ping();
  const running = caller.call(generateSubject("w"), null)[Symbol.asyncIterator]();
  await running.next();
  await worker.drain(0);
  const error = await assertRejects(() => running.next(), CallError);
  assertEquals([error.failure, error.remoteCode], ["remote_error", "draining"]);
  assertEquals((await within("the abort", aborted)).abortCause, "closed");
});

Deno.test("call() refuses a payload over the server's limit and names the limit", async () => {
  await using server = await NatsServer.start({ config: "max_payload: 4096" });
  await using caller = await connectTestBus(server);
  const error = await assertRejects(
    () => collect(caller.call(generateSubject("w"), "x".repeat(5000))),
    CallError,
    "4096",
  );
  assertEquals(error.failure, "too_large");
});

Deno.test("a call is iterated once", async () => {
  await using server = await NatsServer.start();
  await using caller = await connectTestBus(server);
  const call = caller.call(generateSubject("nobody"), null);
  await assertRejects(() => collect(call), CallError);
  assertThrows(() => call[Symbol.asyncIterator](), TypeError, "twice");
});

async function collect<T>(frames: AsyncIterable<Frame<T>>): Promise<Frame<T>[]> {
  const all: Frame<T>[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

async function failureOf(frames: AsyncIterable<Frame<unknown>>): Promise<string[]> {
  const error = await assertRejects(() => collect(frames), CallError);
  return error.remoteCode ? [error.failure, error.remoteCode] : [error.failure];
}

/** Serves calls that send one frame and wait; resolves with the reason of the first abort. */
function serveUntilAborted(
  worker: Awaited<ReturnType<typeof connectTestBus>>,
): Promise<CallAborted> {
  const aborted = Promise.withResolvers<CallAborted>();
  worker.serve("decode", "generate", "w", (call) => {
    call.send("started");
    return new Promise((_, reject) => {
      call.signal.addEventListener("abort", () => {
        if (call.signal.reason instanceof CallAborted) aborted.resolve(call.signal.reason);
        reject(call.signal.reason);
      });
    });
  });
  return aborted.promise;
}
