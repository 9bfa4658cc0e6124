import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert/mod.js";
import { FakeLink, FakeTicker } from "../../tests/bus/fake_link.ts";
import { type ReceiveOptions, TransferError } from "./bus.ts";
import { TransferReceiver } from "./incoming_transfer.ts";
import type { IncomingMessage } from "./message.ts";
import { encodePayload } from "./payload.ts";
import { MAX_PART_BYTES } from "./transfer_message.ts";
import type { Closable } from "./transport.ts";

const SUBJECT = "dyn.n.transfer.t";
const WINDOW = 4;

function startReceiver(options: ReceiveOptions = {}) {
  const link = new FakeLink();
  const ticker = new FakeTicker();
  const open = new Set<Closable>();
  const receiver = new TransferReceiver(
    { link, ticker, windowMessages: () => WINDOW, open },
    SUBJECT,
    options,
  );
  function send(kind: string, message: Partial<IncomingMessage> = {}): void {
    link.deliver(SUBJECT, { kind, replyTo: "sender", ...message });
  }
  function sendPart(sequence: number, bytes: number): void {
    send("part", { sequence, data: encodePayload({ bytes, meta: sequence }) });
  }
  return { link, ticker, open, receiver, send, sendPart };
}

async function reasonOf(receiver: TransferReceiver): Promise<string> {
  const error = await assertRejects(async () => {
    for await (const _ of receiver);
  }, TransferError);
  return error.reason;
}

Deno.test("TransferReceiver grants its window when the sender opens, and again to a repeated open", async () => {
  const { link, receiver, send } = startReceiver();
  send("open", { headers: { traceparent: "00" } });
  send("open", { headers: { traceparent: "01" } });
  assertEquals(await receiver.opened, { traceparent: "00" });
  assertEquals(link.takeKinds(), [`credit ${WINDOW}`, `credit ${WINDOW}`]);
});

Deno.test("TransferReceiver repeats its credit at every tick, so that a lost one comes again", () => {
  const { link, ticker, send } = startReceiver();
  send("open");
  link.takeKinds();
  ticker.tick(2);
  assertEquals(link.takeKinds(), [`credit ${WINDOW}`, `credit ${WINDOW}`]);
});

Deno.test("TransferReceiver refuses what comes without credit", async () => {
  const { receiver, send, sendPart } = startReceiver();
  send("open");
  for (let sequence = 0; sequence <= WINDOW; sequence++) sendPart(sequence, 0);
  const iterator = receiver[Symbol.asyncIterator]();
  for (let part = 0; part < WINDOW; part++) assertFalse((await iterator.next()).done);
  const error = await assertRejects(() => iterator.next(), TransferError);
  assertEquals(error.reason, "sequence");
});

Deno.test("TransferReceiver refuses a part that is too large or has no readable header", async () => {
  for (
    const data of [
      encodePayload({ bytes: MAX_PART_BYTES + 1, meta: 0 }),
      new Uint8Array([0xc1]),
    ]
  ) {
    const { link, receiver, send } = startReceiver();
    send("open");
    send("part", { sequence: 0, data });
    assertEquals(await reasonOf(receiver), "sequence");
    assertEquals(link.published.at(-1)?.kind, "abort");
  }
});

Deno.test("TransferReceiver refuses a part beyond what its reader expects", async () => {
  const { receiver, send, sendPart } = startReceiver({ maxPartBytes: 99 });
  send("open");
  sendPart(0, 100);
  assertEquals(await reasonOf(receiver), "sequence");
});

Deno.test("TransferReceiver ignores what comes before the open or from somebody else", () => {
  const { link, receiver, send, sendPart } = startReceiver();
  sendPart(7, 1);
  send("open");
  send("chunk", { replyTo: "stranger", sequence: 9 });
  send("abort", { replyTo: "stranger" });
  assertEquals(link.takeKinds(), [`credit ${WINDOW}`]);
  receiver.close();
});

Deno.test("TransferReceiver ignores an open that names no address to answer to", () => {
  const { link, receiver, send } = startReceiver();
  send("open", { replyTo: "" });
  assertEquals(link.takeKinds(), []);
  send("open");
  assertEquals(link.takeKinds(), [`credit ${WINDOW}`]);
  receiver.close();
});

Deno.test("TransferReceiver frees all it holds, whichever way it ends", async () => {
  for (
    const [reason, finish] of [
      ["closed", ({ receiver }) => receiver.close()],
      ["aborted", ({ send }) => send("abort")],
      ["peer_lost", ({ send }) => send("no_responders")],
      ["peer_lost", ({ ticker }) => ticker.tick(6)],
      ["sequence", ({ send }) => send("ping", { sequence: 3 })],
    ] as [string, (parts: ReturnType<typeof startReceiver>) => void][]
  ) {
    const parts = startReceiver({ leaseMs: 5 });
    parts.send("open");
    finish(parts);
    assertEquals(await reasonOf(parts.receiver), reason);
    assertFalse(parts.link.isSubscribed(SUBJECT));
    assert(parts.ticker.isIdle);
    assertEquals(parts.open.size, 0);
  }
});

Deno.test("TransferReceiver counts the lease from the sender's last message", () => {
  const { ticker, open, send } = startReceiver({ leaseMs: 5 });
  send("open");
  for (let round = 0; round < 10; round++) {
    ticker.tick(5);
    send("ping", { sequence: 0 });
  }
  assertEquals(open.size, 1);
  ticker.tick(6);
  assertEquals(open.size, 0);
});
