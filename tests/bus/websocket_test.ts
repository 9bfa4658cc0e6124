import { assert, assertEquals } from "@std/assert/mod.js";
import type { Bus } from "../../shared/bus/mod.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus, generateSubject } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

/** So long a quiet moment may be in coming. */
const QUIET_MOMENT_MS = 60_000;

// Both ends use WebSockets: a process has one transport (see nats_connection.ts).

Deno.test("calls and transfers pass over WebSockets", async () => {
  await using server = await NatsServer.start({ hasWebSocket: true });
  await using caller = await connectTestBus({ url: server.webSocketUrl });
  await using worker = await connectTestBus({ url: server.webSocketUrl });
  worker.serve("decode", "generate", "w", async (call) => {
    for (let n = 0; n < 100; n++) call.send(n);
    const transfer = worker.send(String(call.payload));
    await transfer.write(null, new Uint8Array(3_000_000).fill(7));
    await transfer.finish(null);
  });
  await worker.ping();
  const subject = caller.transferSubject("t");
  const incoming = caller.receive(subject);
  const bodies: unknown[] = [];
  for await (const frame of caller.call(generateSubject("w"), subject)) bodies.push(frame.body);
  assertEquals(bodies, Array.from({ length: 100 }, (_, n) => n));
  const [part, finished] = await Array.fromAsync(incoming);
  assert(part?.kind === "part" && part.data.length === 3_000_000 && part.data.at(-1) === 7);
  assertEquals(finished?.kind, "finished");
});

Deno.test("a WebSocket connection comes back after the server restarted", async () => {
  await using server = await NatsServer.start({ hasWebSocket: true });
  const reconnected = Promise.withResolvers<void>();
  await using bus = await connectTestBus({ url: server.webSocketUrl }, {
    onStatus: (status) => status.kind === "reconnected" && reconnected.resolve(),
  });
  await server.kill();
  await server.restart();
  await within("the reconnection", reconnected.promise);
  assert(await bus.ping() >= 0);
});

Deno.test("a first frame over WebSockets does not wait for a delayed acknowledgement", async () => {
  await using server = await NatsServer.start({ hasWebSocket: true });
  await using caller = await connectTestBus({ url: server.webSocketUrl });
  await using worker = await connectTestBus({ url: server.webSocketUrl });
  worker.serve("decode", "generate", "w", async (call) => call.send("answer"));
  await worker.ping();
  // With Nagle's algorithm on, half of them take over 40 ms in every round; a busy machine has a
  // quiet moment at some time.
  let medianMs = Infinity;
  const endMs = performance.now() + QUIET_MOMENT_MS;
  while (medianMs >= 30 && performance.now() < endMs) {
    medianMs = Math.min(medianMs, await medianFirstFrameMs(caller));
  }
  assert(medianMs < 30, `the median first frame took ${medianMs} ms`);
});

async function medianFirstFrameMs(caller: Bus): Promise<number> {
  const latenciesMs: number[] = [];
  for (let n = 0; n < 21; n++) {
    const startMs = performance.now();
    for await (const _ of caller.call(generateSubject("w"), null)) {
      latenciesMs.push(performance.now() - startMs);
    }
  }
  return latenciesMs.sort((a, b) => a - b)[10] ?? Infinity;
}
