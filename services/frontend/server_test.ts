import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert/mod.js";
import OpenAI from "openai";
import type { FrontendKitOptions } from "./testing/frontend_kit.ts";
import { serve } from "./testing/served_kit.ts";

async function served(options: FrontendKitOptions = {}) {
  const { kit, server, url } = await serve(options);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  return { kit, server, url, client };
}

const CHAT = { model: "tiny", messages: [{ role: "user" as const, content: "Hi" }] };

Deno.test("OpenAI's client reads whole answers, streams, usage and models", async () => {
  const { kit, server, client } = await served({ answer: "Hello, wörld" });
  using _ = kit;
  await kit.pair();
  const whole = await client.chat.completions.create(CHAT);
  assertEquals(whole.choices[0]?.message.content, "Hello, wörld");
  let text = "";
  let tokens = 0;
  const stream = await client.chat.completions.create({
    ...CHAT,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    tokens = chunk.usage?.completion_tokens ?? tokens;
  }
  assertEquals([text, tokens], ["Hello, wörld", 14]);
  const completion = await client.completions.create({ model: "tiny", prompt: "Once" });
  assertEquals(completion.choices[0]?.text, "Hello, wörld");
  const models = await client.models.list();
  assertEquals(models.data.map(({ id }) => id), ["tiny"]);
  await server.drain(1_000);
});

Deno.test("A connection stays open longer than the minute that proxies keep theirs", async () => {
  const { kit, server, url } = await served();
  using _ = kit;
  const response = await fetch(`${url}/live`);
  await response.body?.cancel();
  assertEquals(response.headers.get("keep-alive"), "timeout=75");
  await server.drain(1_000);
});

Deno.test("The headers of a stream and its first token leave in one write", async () => {
  const { kit, server } = await served({ answer: "Hey" });
  using _ = kit;
  const held = Promise.withResolvers<void>();
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 1 ? held.promise : undefined,
  });
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const body = JSON.stringify({ ...CHAT, stream: true });
  const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head + body));
  const buffer = new Uint8Array(4096);
  const read = await connection.read(buffer) ?? 0;
  const text = new TextDecoder().decode(buffer.subarray(0, read));
  assertMatch(text, /^HTTP\/1\.1 200 OK\r\n/);
  assertMatch(text, /\r\n\r\n[\da-f]+\r\ndata: \{.*"content":"H"/);
  held.resolve();
  await kit.frontend.admission.drain(1_000);
  await server.drain(1_000);
});

Deno.test("OpenAI's client raises its typed errors, mid-stream too", async () => {
  const { kit, server, client } = await served({ answer: "Hello" });
  using _ = kit;
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 3 ? kit.bus.kill("d1") : undefined,
  });
  const unknown = await assertRejects(
    () => client.chat.completions.create({ ...CHAT, model: "none" }),
    OpenAI.NotFoundError,
  );
  assertEquals([unknown.code, unknown.param], ["model_not_found", "model"]);
  await assertRejects(
    () => client.chat.completions.create({ ...CHAT, n: 2 }),
    OpenAI.BadRequestError,
    "n with this value",
  );
  const stream = await client.chat.completions.create({ ...CHAT, stream: true });
  let text = "";
  const broken = await assertRejects(async () => {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  }, OpenAI.APIError);
  assertEquals([text, broken.code], ["Hel", "worker_failed"]);
  await server.drain(1_000);
});

Deno.test("A client that closes its connection cancels the worker, streaming and waiting", async () => {
  const { kit, server, client, url } = await served({ answer: "Hello" });
  using _ = kit;
  let heldAt = 2;
  let cancelled = Promise.withResolvers<void>();
  let reached = Promise.withResolvers<void>();
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index, call) => {
      if (index !== heldAt) return;
      reached.resolve();
      call.signal.addEventListener("abort", () => cancelled.resolve());
      return cancelled.promise;
    },
  });
  const stream = await client.chat.completions.create({ ...CHAT, stream: true });
  for await (const _chunk of stream) break;
  await cancelled.promise;

  for (const isStream of [true, false]) {
    heldAt = 0;
    cancelled = Promise.withResolvers<void>();
    reached = Promise.withResolvers<void>();
    const leaving = new AbortController();
    const request = fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      // White space makes it larger than what one read takes.
      body: JSON.stringify({ ...CHAT, stream: isStream }) + " ".repeat(5_000),
      signal: leaving.signal,
    });
    await Promise.race([reached.promise, request]);
    leaving.abort();
    await assertRejects(() => request);
    await cancelled.promise;
  }
  await server.drain(1_000);
  const outcomes = kit.telemetry.of("http_request").map((root) =>
    root.attributes["request.outcome"]
  );
  assertEquals(outcomes, ["cancelled", "cancelled", "cancelled"]);
});

Deno.test("drain() delivers a running stream to its end before the port closes", async () => {
  const { kit, server, client, url } = await served({ answer: "Hello" });
  using _ = kit;
  const held = Promise.withResolvers<void>();
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 2 ? held.promise : undefined,
  });
  const stream = await client.chat.completions.create({ ...CHAT, stream: true });
  const drained = server.drain(30_000);
  const health = await fetch(`${url}/health`);
  assertEquals([health.status, (await health.json()).stage], [503, "draining"]);
  held.resolve();
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  assertEquals(text, "Hello");
  await drained;
  await assertRejects(() => fetch(`${url}/live`), TypeError);
});

Deno.test("A client that closes its connection before its body has come is cancelled", async () => {
  const { kit, server, url } = await served();
  using _ = kit;
  const client = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const head = "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n" +
    "content-type: application/json\r\n\r\n{";
  await client.write(new TextEncoder().encode(head));
  for (let tries = 0; kit.frontend.admission.inflight === 0; tries++) {
    assert(tries < 1_000, "the request never began");
    await (await fetch(`${url}/live`)).text();
  }
  client.close();
  await server.drain(30_000);
  assertEquals(kit.telemetry.endRecords().map(({ message }) => message), ["request cancelled"]);
});

Deno.test("A body is read up to the limit, its length announced or not", async () => {
  const { kit, server, url } = await served({ options: { maxBodyBytes: 1_000 } });
  using _ = kit;
  await kit.pair();
  const body = JSON.stringify({ model: "tiny", prompt: "Hi" });
  for (const isAnnounced of [true, false]) {
    const statuses = [];
    for (const text of [body, body + " ".repeat(1_000)]) {
      const response = await fetch(`${url}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: isAnnounced ? text : new Blob([text]).stream(),
      });
      await response.body?.cancel();
      statuses.push(response.status);
    }
    assertEquals(statuses, [200, 413]);
  }
  await server.drain(1_000);
});

Deno.test("A stream is chunked for HTTP/1.1 and ends with its connection for HTTP/1.0", async () => {
  const { kit, server } = await served();
  using _ = kit;
  await kit.pair();
  const body = JSON.stringify({ model: "tiny", prompt: "Hi", stream: true });
  for (const [version, isChunked] of [["1.1", true], ["1.0", false]] as const) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const head = `POST /v1/completions HTTP/${version}\r\nhost: x\r\nconnection: close\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    await client.write(new TextEncoder().encode(head + body));
    const answer = await new Response(client.readable).text();
    assertEquals(/\r\ntransfer-encoding: chunked\r\n/i.test(answer), isChunked, answer);
    assertMatch(answer, isChunked ? /\[DONE\]\n\n\r\n0\r\n\r\n$/ : /\[DONE\]\n\n$/);
  }
  await server.drain(1_000);
});
