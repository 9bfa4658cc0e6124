import { assert, assertEquals, assertRejects } from "@std/assert/mod.js";
import { FakeLink, FakeTicker } from "../../tests/bus/fake_link.ts";
import { TransferError, type TransferOptions } from "./bus.ts";
import { Inbox } from "./inbox.ts";
import { TransferSender } from "./outgoing_transfer.ts";
import { decodePayload, encodePayload } from "./payload.ts";
import { MAX_CHUNK_BYTES, type Trailer } from "./transfer_message.ts";
import type { Closable } from "./transport.ts";

function startSender(options: TransferOptions = {}) {
  const link = new FakeLink();
  const ticker = new FakeTicker();
  const open = new Set<Closable>();
  const inbox = new Inbox(link, "_INBOX.x");
  const sender = new TransferSender(
    { link, ticker, inbox, open },
    { subject: "s", senderId: "t" },
    options,
  );
  function answer(kind: string, message: { sequence?: number; data?: Uint8Array } = {}): void {
    link.deliver("_INBOX.x.>", { subject: "_INBOX.x.t", kind, ...message });
  }
  return { link, ticker, open, sender, answer };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

Deno.test("TransferSender sends nothing beyond its credit", async () => {
  const { link, sender, answer } = startSender();
  const written = sender.write("m", new Uint8Array(2 * MAX_CHUNK_BYTES + 1));
  await settled();
  assertEquals(link.takeKinds(), ["open"]);
  answer("credit", { sequence: 2 });
  await settled();
  assertEquals(link.takeKinds(), ["part 0", "chunk 1"]);
  answer("credit", { sequence: 1 });
  await settled();
  assertEquals(link.takeKinds(), []);
  answer("credit", { sequence: 9 });
  await written;
  assertEquals(link.takeKinds(), ["chunk 2", "chunk 3"]);
});

Deno.test("TransferSender.finish() sends count and checksum, and waits for the receiver's word", async () => {
  const { link, ticker, open, sender, answer } = startSender();
  answer("credit", { sequence: 9 });
  await sender.write("m", new TextEncoder().encode("123456789"));
  const finished = sender.finish("end");
  await settled();
  const trailer = decodePayload(link.published.at(-1)?.data ?? new Uint8Array()) as Trailer;
  assertEquals([trailer.bytes, trailer.checksum, trailer.meta], [9, 0xcbf43926, "end"]);
  assertEquals(link.takeKinds(), ["open", "part 0", "chunk 1", "finish 2"]);
  answer("done");
  assertEquals([(await finished).bytes, (await finished).chunks], [9, 1]);
  assert(ticker.isIdle);
  assertEquals(open.size, 0);
});

Deno.test("TransferSender repeats its open until somebody answers, then pings with its count", async () => {
  const { link, ticker, sender, answer } = startSender();
  ticker.tick(2);
  assertEquals(link.takeKinds(), ["open", "open", "open"]);
  answer("credit", { sequence: 9 });
  await sender.write("m", new Uint8Array(1));
  link.takeKinds();
  ticker.tick();
  assertEquals(link.takeKinds(), ["ping 2"]);
  sender.abort("over");
});

Deno.test("TransferSender takes no responders as lost only after the receiver had answered", async () => {
  const { open, sender, answer } = startSender();
  answer("no_responders");
  assertEquals(open.size, 1);
  answer("credit", { sequence: 1 });
  answer("no_responders");
  const error = await assertRejects(() => sender.finish(null), TransferError);
  assertEquals([error.reason, open.size], ["peer_lost", 0]);
});

Deno.test("TransferSender fails with the receiver's reason", async () => {
  const { sender, answer } = startSender();
  const written = assertRejects(() => sender.write("m", new Uint8Array(1)), TransferError);
  await settled();
  answer("abort", { data: encodePayload({ reason: "checksum", text: "t" }) });
  assertEquals((await written).reason, "checksum");
});

Deno.test("TransferSender gives up after the lease and tells a receiver that hangs", async () => {
  const { link, ticker, sender, answer } = startSender({ leaseMs: 3 });
  answer("credit", { sequence: 1 });
  ticker.tick(4);
  assertEquals(link.takeKinds().at(-1), "abort");
  const error = await assertRejects(() => sender.write("m", new Uint8Array(1)), TransferError);
  assertEquals(error.reason, "peer_lost");
});

Deno.test("TransferSender refuses work after it finished", async () => {
  const { sender, answer } = startSender();
  answer("credit", { sequence: 9 });
  const finished = sender.finish(null);
  await settled();
  answer("done");
  await finished;
  const error = await assertRejects(() => sender.write("m", new Uint8Array(1)), TransferError);
  assertEquals(error.reason, "closed");
});
