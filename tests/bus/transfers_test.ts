import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import type { Msg } from "@nats-io/nats-core";
import {
  type Bus,
  type IncomingPart,
  type IncomingTransfer,
  type OutgoingTransfer,
  TransferError,
  type TransferStats,
} from "../../shared/bus/mod.ts";
import { connectPlain, connectTestBus, WATCHFUL } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

const SIZES = [0, 1, 4096, 256 * 1024, 256 * 1024 + 1, 5_000_000, 64 << 20];

Deno.test("transfers of 0 bytes to 64 MiB arrive intact, with the same statistics at both ends", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  for (const size of SIZES) {
    const data = pattern(size);
    const subject = receiver.transferSubject(`t${size}`);
    const incoming = receiver.receive(subject);
    const sent = sendAll(sender.send(subject), [data]);
    const [part, end] = await collect(incoming);
    assertEquals(part?.meta, { part: 0 });
    assert(isEqual(dataOf(part), data));
    assertEquals(dataOf(part).buffer.byteLength, size);
    const [received, stats] = [statsOf(end), await sent];
    assertEquals([received.bytes, stats.bytes], [size, size]);
    assertEquals(received.chunks, stats.chunks);
    assertEquals(received.creditWaitMs, stats.creditWaitMs);
    assert(stats.endedAtMs >= stats.startedAtMs);
    assert(received.endedAtMs >= received.startedAtMs);
  }
});

Deno.test("a wait for the receiver to come is a wait for credit, and no part of either end's time on the wire", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("late");
  const data = pattern(100_000);
  const startedAtMs = performance.now();
  const sent = sendAll(sender.send(subject), [data]);
  while (performance.now() - startedAtMs < 50) await sender.ping();
  const [, end] = await collect(receiver.receive(subject));
  for (const stats of [statsOf(end), await sent]) {
    assert(stats.creditWaitMs > 40, `${stats.creditWaitMs} ms of waiting`);
    assert(stats.wireMs > 0 && stats.wireMs <= stats.endedAtMs - stats.startedAtMs, stats.wireMs);
  }
});

Deno.test("a transfer keeps the order and the metadata of its parts, and ends with its own", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  // Not awaited one by one: writes are sent in the order of their calls.
  for (let n = 0; n < 50; n++) void outgoing.write({ n }, pattern(n * 1000));
  const sent = outgoing.finish({ firstToken: 42 });
  const parts = await collect(incoming);
  await sent;
  assertEquals(
    parts.map((part) => part.meta),
    [...Array.from({ length: 50 }, (_, n) => ({ n })), { firstToken: 42 }],
  );
  for (const [n, part] of parts.entries()) {
    if (part.kind === "part") assert(isEqual(part.data, pattern(n * 1000)));
  }
});

Deno.test("a transfer's parts may be reused by the writer as soon as write() resolves", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  const buffer = new Uint8Array(300_000);
  async function send(): Promise<TransferStats> {
    for (let n = 1; n <= 3; n++) {
      await outgoing.write(n, buffer.fill(n));
      buffer.fill(99);
    }
    return await outgoing.finish(null);
  }
  const sent = send();
  for (const part of await collect(incoming)) {
    if (part.kind === "part") assert(part.data.every((byte) => byte === part.meta));
  }
  await sent;
});

Deno.test("a transfer carries the sender's headers to the receiver when it opens", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const headers = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  using _transfer = aborting(sender.send(subject, { headers }));
  assertEquals(await incoming.opened, headers);
  incoming.close();
});

Deno.test("a transfer may be sent before its receiver listens", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const sent = sendAll(sender.send(subject), [pattern(1000)]);
  // The sender has heard that nobody listens by the time these round trips are over.
  for (let n = 0; n < 3; n++) await sender.ping();
  const parts = await collect(receiver.receive(subject));
  assertEquals(parts.length, 2);
  assertEquals((await sent).bytes, 1000);
});

Deno.test("many transfers at once share the receiver and all arrive", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  async function transfer(id: number): Promise<void> {
    const subject = receiver.transferSubject(`t${id}`);
    const data = pattern(1_000_000 + id);
    const incoming = collect(receiver.receive(subject));
    await sendAll(sender.send(subject), [data, data]);
    for (const part of await incoming) {
      if (part.kind === "part") assert(isEqual(part.data, data));
    }
  }
  await Promise.all(Array.from({ length: 40 }, (_, id) => transfer(id)));
});

Deno.test("transfers pass a server with a small max payload", async () => {
  await using server = await NatsServer.start({ config: "max_payload: 8192" });
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const data = pattern(1_000_000);
  const subject = receiver.transferSubject("t");
  const incoming = collect(receiver.receive(subject));
  const stats = await sendAll(sender.send(subject), [data]);
  const [part] = await incoming;
  assert(isEqual(dataOf(part), data));
  assert(stats.chunks >= 1_000_000 / 8192);
});

Deno.test("a slow reader bounds what the sender has under way", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  const part = pattern(256 * 1024);
  let written = 0;
  async function send(): Promise<TransferStats> {
    for (let n = 0; n < 100; n++) {
      await outgoing.write(n, part);
      written++;
    }
    return await outgoing.finish(null);
  }
  const sent = send();
  await incoming.opened;
  // With nobody reading, the sender stops at its window: later round trips move nothing.
  let before = -1;
  while (before < written || written === 0) {
    before = written;
    for (let n = 0; n < 5; n++) await Promise.all([sender.ping(), receiver.ping()]);
  }
  assert(written <= 16, `${written} parts of one chunk were written with nobody reading`);
  assertEquals((await collect(incoming)).length, 101);
  assertEquals(written, 100);
  assert((await sent).creditWaitMs > 0);
});

Deno.test("a changed byte ends the transfer as checksum at both ends", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  await using relay = await startRelay(server, sender, receiver, (message) => {
    if (message.headers?.get("baton-seq") === "3") message.data[17] = (message.data[17] ?? 0) ^ 1;
    return [message];
  });
  const received = assertRejects(() => collect(relay.incoming), TransferError);
  const sent = assertRejects(
    () => sendAll(relay.outgoing, [pattern(2_000_000)]),
    TransferError,
  );
  assertEquals([(await received).reason, (await sent).reason], ["checksum", "checksum"]);
});

Deno.test("a lost and a repeated message end the transfer as sequence at both ends", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  for (const copies of [0, 2]) {
    await using relay = await startRelay(
      server,
      sender,
      receiver,
      (message) => Array(message.headers?.get("baton-seq") === "3" ? copies : 1).fill(message),
    );
    const received = assertRejects(() => collect(relay.incoming), TransferError);
    const sent = assertRejects(
      () => sendAll(relay.outgoing, [pattern(2_000_000)]),
      TransferError,
    );
    assertEquals([(await received).reason, (await sent).reason], ["sequence", "sequence"]);
  }
});

Deno.test("a loss at the tail is found while the sender has nothing to send", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server, WATCHFUL);
  await using relay = await startRelay(
    server,
    sender,
    receiver,
    (message) => message.headers?.get("baton-kind") === "chunk" ? [] : [message],
  );
  await relay.outgoing.write(null, pattern(10));
  const error = await assertRejects(() => collect(relay.incoming), TransferError);
  assertEquals(error.reason, "sequence");
});

Deno.test("a message of another sender is refused and disturbs nothing", async () => {
  await using server = await NatsServer.start();
  await using receiver = await connectTestBus(server);
  await using sender = await connectTestBus(server);
  await using intruder = await connectTestBus(server);
  const subject = receiver.transferSubject("t");
  const incoming = receiver.receive(subject);
  const outgoing = sender.send(subject);
  await incoming.opened;
  const refused = await assertRejects(
    () => sendAll(intruder.send(subject), [pattern(10)]),
    TransferError,
  );
  assertEquals(refused.reason, "closed");
  const sent = sendAll(outgoing, [pattern(20)]);
  const [part] = await collect(incoming);
  assert(isEqual(dataOf(part), pattern(20)));
  await sent;
});

Deno.test("transferSubject() is the same for every bus of a namespace and refuses wildcards", async () => {
  await using server = await NatsServer.start();
  await using one = await connectTestBus(server);
  await using two = await connectTestBus(server);
  assertEquals(one.transferSubject("id"), two.transferSubject("id"));
  await assertRejects(async () => one.transferSubject("a.>"), RangeError);
});

interface Relay extends AsyncDisposable {
  readonly incoming: IncomingTransfer;
  readonly outgoing: OutgoingTransfer;
}

/** A transfer whose messages pass through `tamper` on their way to the receiver. */
async function startRelay(
  server: NatsServer,
  sender: Bus,
  receiver: Bus,
  tamper: (message: Msg) => Msg[],
): Promise<Relay> {
  const connection = await connectPlain(server);
  const subject = receiver.transferSubject(`to-${crypto.randomUUID()}`);
  const relayed = `relay.${crypto.randomUUID()}`;
  connection.subscribe(relayed, {
    callback: (_error, message) => {
      if (connection.isClosed()) return;
      for (const each of tamper(message)) {
        connection.publish(subject, each.data, {
          reply: each.reply ?? "",
          ...(each.headers ? { headers: each.headers } : {}),
        });
      }
    },
  });
  const incoming = receiver.receive(subject);
  await Promise.all([connection.flush(), receiver.ping()]);
  const outgoing = sender.send(relayed);
  return {
    incoming,
    outgoing,
    [Symbol.asyncDispose]: async () => {
      outgoing.abort("the test is over");
      await connection.close();
    },
  };
}

function aborting(transfer: OutgoingTransfer): Disposable {
  return { [Symbol.dispose]: () => transfer.abort("the test is over") };
}

async function sendAll(
  transfer: OutgoingTransfer,
  parts: readonly Uint8Array[],
): Promise<TransferStats> {
  for (const [part, data] of parts.entries()) await transfer.write({ part }, data);
  return await transfer.finish(null);
}

async function collect(transfer: IncomingTransfer): Promise<IncomingPart[]> {
  const parts: IncomingPart[] = [];
  for await (const part of transfer) parts.push(part);
  return parts;
}

function dataOf(part: IncomingPart | undefined): Uint8Array {
  if (part?.kind !== "part") throw new Error("The transfer yielded no part here");
  return part.data;
}

function statsOf(part: IncomingPart | undefined): TransferStats {
  if (part?.kind !== "finished") throw new Error("The transfer did not end here");
  return part.stats;
}

/** Bytes in which a lost, repeated or moved stretch shows. */
function pattern(bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let n = 0; n < words.length; n++) words[n] = Math.imul(n, 2654435761);
  return new Uint8Array(words.buffer, 0, bytes);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index]);
}
