import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import { type Bus, CallAborted, CallError, type Frame } from "../../shared/bus/mod.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus, generateSubject, instanceRecord, WATCHFUL } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";
import { startPeer } from "./peer_kit.ts";

/** With the default keepalive of 500 ms; the brief gives two seconds. */
const DETECTION_LIMIT_MS = 2_500;
const TICK_MS = 20;

Deno.test("call() fails as disconnected when its worker is killed", async () => {
  await using server = await NatsServer.start();
  await using peer = startPeer(server.url, "serve", "w");
  await using caller = await connectTestBus(server, { keepaliveMs: 500 });
  await peer.ready;
  const call = await startedCall(caller);
  using lived = new LivedTime();
  await peer.kill();
  assertEquals(await failureOf(call), "disconnected");
  assert(lived.ms < DETECTION_LIMIT_MS, `it took ${lived.ms} ms`);
});

Deno.test("call() fails as disconnected when its worker hangs", async () => {
  await using server = await NatsServer.start();
  await using peer = startPeer(server.url, "serve", "w");
  await using caller = await connectTestBus(server, { keepaliveMs: 500 });
  await peer.ready;
  const call = await startedCall(caller);
  using lived = new LivedTime();
  peer.freeze();
  assertEquals(await failureOf(call), "disconnected");
  assert(lived.ms < DETECTION_LIMIT_MS, `it took ${lived.ms} ms`);
});

Deno.test("a handler is aborted as caller_lost when its caller is killed", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server, WATCHFUL);
  const aborted = serveForever(worker);
  await worker.ping();
  await using peer = startPeer(server.url, "call", "w");
  await peer.ready;
  await peer.kill();
  assertEquals(await within("the abort", aborted), "caller_lost");
});

Deno.test("call() fails when the server is gone for longer than the liveness checks allow", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server, WATCHFUL);
  await using caller = await connectTestBus(server, WATCHFUL);
  const aborted = serveForever(worker);
  await worker.ping();
  const call = await startedCall(caller);
  await server.kill();
  assertEquals(await failureOf(call), "disconnected");
  assertEquals(await within("the abort", aborted), "caller_lost");
});

Deno.test("call() fails when the server hangs with its sockets open", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await using caller = await connectTestBus(server, WATCHFUL);
  void serveForever(worker);
  await worker.ping();
  const call = await startedCall(caller);
  server.freeze();
  assertEquals(await failureOf(call), "disconnected");
  server.thaw();
});

Deno.test("call() refuses to start without a connection", async () => {
  await using server = await NatsServer.start();
  const disconnected = Promise.withResolvers<void>();
  await using caller = await connectTestBus(server, {
    onStatus: (status) => status.kind === "disconnected" && disconnected.resolve(),
  });
  await server.kill();
  await within("the disconnection", disconnected.promise);
  const call = caller.call(generateSubject("w"), null)[Symbol.asyncIterator]();
  assertEquals(await failureOf(call), "disconnected");
  await assertRejects(() => caller.ping(), Error, "not connected");
});

Deno.test("call() finds frames that were lost with a connection, and cancels the rest", async () => {
  await using server = await NatsServer.start();
  const reconnected = {
    worker: Promise.withResolvers<void>(),
    caller: Promise.withResolvers<void>(),
  };
  await using worker = await connectTestBus(server, {
    keepaliveMs: 2_000,
    onStatus: (status) => status.kind === "reconnected" && reconnected.worker.resolve(),
  });
  await using caller = await connectTestBus(server, {
    keepaliveMs: 2_000,
    onStatus: (status) => status.kind === "reconnected" && reconnected.caller.resolve(),
  });
  const goOn = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<string>();
  worker.serve("decode", "generate", "w", async (call) => {
    call.signal.addEventListener("abort", () => aborted.resolve(causeOf(call.signal)));
    call.send("started");
    await lost.promise;
    call.send("lost");
    await goOn.promise;
    call.send("after the gap");
    await new Promise(() => {});
  });
  await worker.ping();
  const call = await startedCall(caller);
  await server.kill();
  lost.resolve();
  await server.restart();
  const both = Promise.all([reconnected.worker.promise, reconnected.caller.promise]);
  await within("both reconnections", both);
  await Promise.all([worker.ping(), caller.ping()]);
  goOn.resolve();
  assertEquals(await failureOf(call), "disconnected");
  assertEquals(await within("the abort", aborted.promise), "cancelled");
});

Deno.test("new calls succeed by themselves after the server came back", async () => {
  await using server = await NatsServer.start();
  const reconnected = Promise.withResolvers<void>();
  await using worker = await connectTestBus(server);
  await using caller = await connectTestBus(server, {
    onStatus: (status) => status.kind === "reconnected" && reconnected.resolve(),
  });
  worker.serve("decode", "generate", "w", async (call) => call.send("answer"));
  worker.announce(() => instanceRecord("w"));
  await server.kill();
  await server.restart();
  await within("the reconnection", reconnected.promise);
  // The worker's first heartbeat after the outage says that it is back.
  const back = caller.directory().until((instances) => instances.length === 1);
  await within("the worker", back);
  const bodies = [];
  for await (const frame of caller.call(generateSubject("w"), null)) bodies.push(frame.body);
  assertEquals(bodies, ["answer"]);
});

/** Time in which this process could run: on a busy machine the clock goes on while it stands still. */
class LivedTime implements Disposable {
  #ticks = 0;
  readonly #timer = setInterval(() => this.#ticks++, TICK_MS);

  get ms(): number {
    return this.#ticks * TICK_MS;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

async function startedCall(caller: Bus): Promise<AsyncIterator<Frame<unknown>>> {
  const call = caller.call(generateSubject("w"), null)[Symbol.asyncIterator]();
  assertEquals((await call.next()).value?.body, "started");
  return call;
}

async function failureOf(call: AsyncIterator<Frame<unknown>>): Promise<string> {
  return (await assertRejects(() => call.next(), CallError)).failure;
}

/** Resolves with the cause for which the first call was aborted. */
function serveForever(worker: Bus): Promise<string> {
  const aborted = Promise.withResolvers<string>();
  worker.serve("decode", "generate", "w", async (call) => {
    call.signal.addEventListener("abort", () => aborted.resolve(causeOf(call.signal)));
    call.send("started");
    await new Promise(() => {});
  });
  return aborted.promise;
}

function causeOf(signal: AbortSignal): string {
  return signal.reason instanceof CallAborted ? signal.reason.abortCause : "other";
}
