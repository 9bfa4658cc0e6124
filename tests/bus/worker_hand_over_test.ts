/** The hand-over of KV between workers where it goes wrong, or has nothing to hand over. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { type Bus, CallError } from "../../shared/bus/mod.ts";
import type { KvEnd, KvPart } from "../../shared/messages/mod.ts";
import { startOtlpSink } from "../kit/otlp_sink.ts";
import { within } from "../kit/waits.ts";
import { connectTestBus } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";
import { collect, endOf, startWorker, tokensOf, workRequest } from "./worker_kit.ts";

/** Of the prompt that workRequest asks for. */
const PROMPT_BLOCKS = 3;
const END: KvEnd = { firstToken: 1, sinceFirstTokenMs: 0, isComplete: false };

/** Why a decode worker gives up on KV that comes like this. */
async function refusalOf(parts: (blockBytes: number) => [KvPart, Uint8Array][]): Promise<string> {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const transferId = crypto.randomUUID();
  const call = collect(caller, "decode", workRequest("decode", { transferId }));
  const sending = sendParts(caller, transferId, parts(decode.engine.info.kv.blockBytes));
  const error = await assertRejects(() => call, CallError);
  await sending;
  assertEquals(error.remoteCode, "transfer_failed");
  assertEquals(decode.engine.load.usedBlocks, 0);
  return error.message;
}

/** As a prefill worker does; the receiver may end it. */
async function sendParts(
  bus: Bus,
  transferId: string,
  parts: readonly [KvPart, Uint8Array][],
): Promise<void> {
  const transfer = bus.send(bus.transferSubject(transferId));
  try {
    for (const [part, data] of parts) await transfer.write(part, data);
    await transfer.finish(END);
  } catch {
    // The worker says why.
  }
}

Deno.test("a decode worker refuses KV that comes out of order, of another size, or not whole", async () => {
  const part = (firstBlock: number, blocks: number, bytes: number): [KvPart, Uint8Array] => [
    { firstBlock, blocks },
    new Uint8Array(bytes),
  ];
  assertStringIncludes(
    await refusalOf((size) => [part(0, 1, size), part(2, 1, size)]),
    `blocks 2 to 3 came where 1 of ${PROMPT_BLOCKS} was due`,
  );
  assertStringIncludes(
    await refusalOf((size) => [part(0, 2, size)]),
    "2 blocks came with",
  );
  assertStringIncludes(
    await refusalOf((size) => [part(0, 2, 2 * size)]),
    `the transfer ended after 2 of ${PROMPT_BLOCKS} blocks`,
  );
});

Deno.test("a decode worker learns at once, and why, that its prefill worker fails", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  const hasKv = Promise.withResolvers<void>();
  await using _prefill = await startWorker(server, sink, "prefill", {
    maxRows: 17,
    maxSlices: 1,
    async onStep([slice]) {
      if (slice?.startPosition === 0) return;
      await within("the first KV", hasKv.promise);
      throw new Error("the device burnt");
    },
  });
  await using _decode = await startWorker(server, sink, "decode", { onCopy: hasKv.resolve });
  await using caller = await connectTestBus(server);
  const transferId = crypto.randomUUID();
  const traceId = "a".repeat(32);
  const headers = { traceparent: `00-${traceId}-${"2".repeat(16)}-01` };
  const decoding = assertRejects(
    () => collect(caller, "decode", workRequest("decode", { transferId }), { headers }),
    CallError,
  );
  const prefilling = assertRejects(
    () => collect(caller, "prefill", workRequest("prefill", { transferId }), { headers }),
    CallError,
  );
  assertEquals((await prefilling).remoteCode, "engine_failed");
  const error = await decoding;
  assertEquals(error.remoteCode, "transfer_failed");
  assertStringIncludes(error.message, "the device burnt");
  const spans = await sink.waitForTrace(
    traceId,
    (all) => all.filter(({ name }) => name === "handle_payload").length === 2,
  );
  const send = spans.find(({ name }) => name === "kv.send");
  assertEquals(send?.attributes["error.type"], "engine_failed");
  assertEquals(send?.attributes["shutdown.reason"], undefined);
});

Deno.test("a first token that is a stop token leaves nothing to decode", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using _prefill = await startWorker(server, sink, "prefill");
  await using _decode = await startWorker(server, sink, "decode");
  await using caller = await connectTestBus(server);
  const [first = 0] = tokensOf(await collect(caller, "decode", workRequest("aggregate")));
  const request = { transferId: crypto.randomUUID(), stopTokenIds: [first] };
  const [prefilled, decoded] = await Promise.all([
    collect(caller, "prefill", workRequest("prefill", request)),
    collect(caller, "decode", workRequest("decode", request)),
  ]);
  assertEquals(tokensOf(prefilled), [first]);
  assertEquals(endOf(prefilled).finishReason, "stop");
  assertEquals(tokensOf(decoded), []);
});
