import { assertEquals } from "@std/assert/mod.js";
import { concat } from "@std/bytes/concat.js";
import { eventually, within } from "../../tests/kit/waits.ts";
import { FakeModel, modelCard } from "./testing/fake_worker.ts";
import { completionBytes, connect, serve, type Served } from "./testing/served_kit.ts";

/** The name is in every event: together they are more than the system keeps for a client. */
const LONG_NAME = "m".repeat(1_000);
const TOKENS = 10_000;
const STREAM = { model: LONG_NAME, stream: true, max_tokens: TOKENS };

/** A stream of which its client has read nothing, when its worker is done. */
async function unreadStream(silenceMs = 60_000): Promise<Served & { client: Deno.TcpConn }> {
  const card = modelCard({ name: LONG_NAME, contextLength: 2 * TOKENS });
  const model = await FakeModel.create("a".repeat(TOKENS), card);
  const served = await serve({ model, silenceMs });
  const { kit, url } = served;
  let hasBegun = false;
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    load: { totalBlocks: TOKENS },
    onToken: () => {
      hasBegun = true;
    },
  });
  const client = await connect(served);
  await client.write(completionBytes(STREAM));
  await eventually(() => hasBegun && kit.bus.openCalls("d1") === 0);
  // A frontend that did not wait would have written all of it before it answers this.
  for (let turn = 0; turn < 5; turn++) await (await fetch(`${url}/live`)).body?.cancel();
  return { ...served, client };
}

/** What comes until the last byte of a chunked answer. */
async function readToEnd(client: Deno.TcpConn): Promise<string> {
  let text = "";
  for await (const part of client.readable.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.endsWith("\r\n0\r\n\r\n")) break;
  }
  return text;
}

Deno.test("A stream waits for a client that does not read, and loses nothing when it does", async () => {
  const { kit, server, client } = await unreadStream();
  using _ = kit;
  assertEquals([kit.frontend.admission.inflight, kit.telemetry.endRecords()], [1, []]);
  const text = await within("the end of the stream", readToEnd(client));
  assertEquals(text.match(/"text":"a"/g)?.length, TOKENS);
  assertEquals(text.match(/data: \[DONE\]/g)?.length, 1);
  assertEquals(kit.telemetry.endRecords().map(({ fields }) => fields?.status), ["success"]);
  await server.drain(1_000);
});

Deno.test("A client that leaves without having read is cancelled", async () => {
  const { kit, server, client } = await unreadStream();
  using _ = kit;
  client.close();
  await eventually(() => kit.frontend.admission.inflight === 0);
  assertEquals(kit.telemetry.endRecords().map(({ fields }) => fields?.status), ["cancelled"]);
  assertEquals(kit.telemetry.spans.filter(({ isEnded }) => !isEnded), []);
  await server.drain(1_000);
});

Deno.test("A connection on which nothing moves for the time under a request is closed", async () => {
  const { kit, server, client } = await unreadStream(1_000);
  using _ = kit;
  await eventually(() => kit.frontend.admission.inflight === 0);
  await server.drain(1_000);
  client.close();
});

Deno.test("drain() ends a stream whose client does not read, and its connection", async () => {
  const { kit, server, client } = await unreadStream();
  using _ = kit;
  await within("the drain", server.drain(1));
  assertEquals(kit.telemetry.endRecords().map(({ fields }) => fields?.status), ["error"]);
  client.close();
});

Deno.test("Requests on one connection are answered in their order, also behind a stream", async () => {
  const served = await serve({ answer: "Hey" });
  const { kit, server } = served;
  using _ = kit;
  await kit.pair();
  const client = await connect(served);
  await client.write(concat([
    completionBytes({ stream: true, max_tokens: 1 }),
    completionBytes({ stream: true, max_tokens: 2 }),
    new TextEncoder().encode("GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
  ]));
  const text = await within("the answers", new Response(client.readable).text());
  const [, ...answers] = text.split("HTTP/1.1 200 OK");
  assertEquals(answers.map((answer) => answer.match(/"text":"[^"]+"/g)?.length), [1, 2, undefined]);
  await server.drain(1_000);
});

for (const heldAt of [0, 1]) {
  Deno.test(`A client that leaves cancels all requests on its connection, held at token ${heldAt}`, async () => {
    const served = await serve();
    const { kit, server } = served;
    using _ = kit;
    let held = 0;
    await kit.worker({
      role: "decode",
      instanceId: "d1",
      onToken: (index, { signal }) => {
        if (index !== heldAt) return;
        held++;
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
      },
    });
    const client = await connect(served);
    await client.write(
      concat([completionBytes({ stream: true }), completionBytes({ stream: true })]),
    );
    await eventually(() => held === 2);
    client.close();
    await eventually(() => kit.frontend.admission.inflight === 0 && kit.bus.openCalls("d1") === 0);
    const statuses = kit.telemetry.endRecords().map(({ fields }) => fields?.status);
    assertEquals(statuses, ["cancelled", "cancelled"]);
    await server.drain(1_000);
  });
}
