import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert/mod.js";
import {
  type IncomingTransfer,
  type OutgoingTransfer,
  TransferError,
} from "../../shared/bus/mod.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus, WATCHFUL } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";
import { startPeer } from "./peer_kit.ts";

/** Far beyond the time of these tests: what ends them sooner is not the lease. */
const LONG_LEASE_MS = 600_000;
const SHORT_LEASE_MS = 300;

Deno.test("a receiver whose sender is killed fails long before the lease", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server, WATCHFUL);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject, { leaseMs: LONG_LEASE_MS });
  await using peer = startPeer(server.url, "send", subject);
  await peer.ready;
  await peer.kill();
  assertEquals(await reasonOf(incoming), "peer_lost");
});

Deno.test("a sender whose receiver is killed fails long before the lease", async () => {
  await using server = await NatsServer.start();
  await using sender = await connectTestBus(server, WATCHFUL);
  const subject = sender.transferSubject("t");
  await using peer = startPeer(server.url, "receive", subject);
  const outgoing = sender.send(subject, { leaseMs: LONG_LEASE_MS });
  await outgoing.write(null, new Uint8Array(10));
  await peer.ready;
  await peer.kill();
  const error = await failureOfWrites(outgoing);
  assertEquals(error.reason, "peer_lost");
});

Deno.test("a receiver whose sender hangs gives up after the lease", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server, WATCHFUL);
  const subject = receiver.transferSubject("t");
  await using peer = startPeer(server.url, "send", subject);
  // Before it runs, its silence would count.
  await peer.connected;
  const incoming = receiver.receive(subject, { leaseMs: 3_000 });
  await peer.ready;
  peer.freeze();
  assertEquals(await reasonOf(incoming), "peer_lost");
});

Deno.test("a receiver to which nobody sends gives up after the lease", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server, WATCHFUL);
  const incoming = receiver.receive(receiver.transferSubject("t"), { leaseMs: SHORT_LEASE_MS });
  assertEquals(await reasonOf(incoming), "timeout");
  const opened = await assertRejects(() => incoming.opened, TransferError);
  assertEquals(opened.reason, "timeout");
});

Deno.test("a sender to which nobody listens gives up after the lease", async () => {
  await using server = await NatsServer.start();
  await using sender = await connectTestBus(server, WATCHFUL);
  const outgoing = sender.send(sender.transferSubject("t"), { leaseMs: SHORT_LEASE_MS });
  const error = await assertRejects(() => outgoing.write(null, new Uint8Array(1)), TransferError);
  assertEquals(error.reason, "timeout");
});

Deno.test("an idle transfer holds its lease for many times its length", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server, WATCHFUL);
  await using sender = await connectTestBus(server, WATCHFUL);
  const subject = receiver.transferSubject("t");
  const leaseMs = 1_000;
  const incoming = receiver.receive(subject, { leaseMs });
  const outgoing = sender.send(subject, { leaseMs });
  await incoming.opened;
  const idleUntilMs = performance.now() + 4 * leaseMs;
  while (performance.now() < idleUntilMs) await Promise.all([sender.ping(), receiver.ping()]);
  await outgoing.write("late", new Uint8Array(1));
  const iterator = incoming[Symbol.asyncIterator]();
  assertEquals((await iterator.next()).value?.meta, "late");
  await Promise.all([outgoing.finish("end"), iterator.next()]);
});

Deno.test("abort() by the sender ends the receiver with the reason, and later writes", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  await outgoing.write(1, new Uint8Array(5));
  outgoing.abort("the prefill was cancelled");
  const seen: unknown[] = [];
  const error = await assertRejects(async () => {
    for await (const part of incoming) seen.push(part.meta);
  }, TransferError);
  assertEquals([error.reason, seen], ["aborted", [1]]);
  assert(error.message.includes("the prefill was cancelled"));
  for (const late of [() => outgoing.write(2, new Uint8Array(5)), () => outgoing.finish(null)]) {
    assertEquals((await assertRejects(late, TransferError)).reason, "aborted");
  }
});

Deno.test("close() by the receiver ends the sender's writes", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  await outgoing.write(null, new Uint8Array(5));
  for await (const _ of incoming) break;
  const error = await failureOfWrites(outgoing);
  assertEquals(error.reason, "closed");
});

Deno.test("a signal aborts a transfer from either end", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  for (const end of ["sender", "receiver"]) {
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const subject = receiver.transferSubject(end);
    const incoming = receiver.receive(subject, end === "receiver" ? options : {});
    const outgoing = sender.send(subject, end === "sender" ? options : {});
    await incoming.opened;
    abort.abort("cancelled");
    assertEquals(await reasonOf(incoming), "aborted");
    const error = await failureOfWrites(outgoing);
    assertEquals(error.reason, "aborted");
  }
});

Deno.test("an aborted signal ends a transfer before it begins", async () => {
  await using server = await NatsServer.start();
  await using bus = await connectTestBus(server);
  const options = { signal: AbortSignal.abort("never") };
  const subject = bus.transferSubject("t");
  assertEquals(await reasonOf(bus.receive(subject, options)), "aborted");
  const error = await assertRejects(() => bus.send(subject, options).finish(null), TransferError);
  assertEquals(error.reason, "aborted");
});

Deno.test("closing a bus ends its transfers at both ends", async () => {
  await using server = await NatsServer.start();
  const receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  await outgoing.write(null, new Uint8Array(5));
  const finished = failureOfWrites(outgoing);
  await receiver[Symbol.asyncDispose]();
  assertEquals(await reasonOf(incoming), "closed");
  assertEquals((await finished).reason, "closed");
});

Deno.test("a server that restarts mid-transfer ends it at both ends, or has lost nothing of it", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server, WATCHFUL);
  await using sender = await connectTestBus(server, WATCHFUL);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject, { leaseMs: 2_000 });
  const outgoing = sender.send(subject, { leaseMs: 2_000 });
  const begun = Promise.withResolvers<void>();
  const sending = async () => {
    for (let part = 0; part < 64; part++) await outgoing.write(part, new Uint8Array(1 << 20));
    return (await outgoing.finish(null)).bytes;
  };
  const receiving = async () => {
    let bytes = 0;
    for await (const part of incoming) {
      begun.resolve();
      if (part.kind === "part") bytes += part.data.byteLength;
    }
    return bytes;
  };
  const both = Promise.all([sending, receiving].map((run) => run().catch(transferErrorOf)));
  await begun.promise;
  await server.kill();
  await server.restart();
  const [sent, received] = await within("the end of the transfer", both);
  if (sent instanceof TransferError) assertInstanceOf(received, TransferError);
  else assertEquals([sent, received], [64 << 20, 64 << 20]);
});

function transferErrorOf(error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  throw error;
}

/** Writes until the transfer has failed. */
async function failureOfWrites(outgoing: OutgoingTransfer): Promise<TransferError> {
  const writing = async () => {
    while (true) await outgoing.write(null, new Uint8Array(1 << 20));
  };
  return await within("the end of the transfer", assertRejects(writing, TransferError));
}

async function reasonOf(incoming: IncomingTransfer): Promise<string> {
  const reading = async () => {
    for await (const _ of incoming);
  };
  const failure: Promise<TransferError> = assertRejects(reading, TransferError);
  return (await within("the end of the transfer", failure)).reason;
}
