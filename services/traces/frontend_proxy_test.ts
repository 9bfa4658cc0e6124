import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { createFrontendProxy } from "./frontend_proxy.ts";

const CHAT = "http://127.0.0.1:3200/frontend/v1/chat/completions";

interface Upstream extends AsyncDisposable {
  readonly url: string;
}

function upstream(handler: (request: Request) => Response | Promise<Response>): Upstream {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function ask(url: string, request: Request): Promise<Response> {
  const response = await createFrontendProxy({ url })(request);
  if (response === null) throw new Error(`not for the proxy: ${request.url}`);
  return response;
}

function chat(headers: Record<string, string> = {}, signal?: AbortSignal): Request {
  return new Request(CHAT, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: `{"stream":true}`,
    signal,
  });
}

Deno.test("frontend proxy passes the request on and the answer back, piece by piece", async () => {
  let seen: Record<string, string> = {};
  const second = Promise.withResolvers<void>();
  await using server = upstream(async (request) => {
    seen = { ...Object.fromEntries(request.headers), body: await request.text() };
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    void (async () => {
      const writer = writable.getWriter();
      await writer.write(new TextEncoder().encode("one"));
      await second.promise;
      await writer.write(new TextEncoder().encode("two"));
      await writer.close();
    })();
    return new Response(readable, {
      headers: { "content-type": "text/event-stream", "server-timing": "ttft;dur=1", "x-own": "1" },
    });
  });
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const response = await ask(server.url, chat({ traceparent, cookie: "secret=1" }));
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  assertEquals(response.headers.get("server-timing"), "ttft;dur=1");
  assertEquals(response.headers.get("x-own"), null);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await reader.read()).value, "one");
  second.resolve();
  assertEquals((await reader.read()).value, "two");
  assertEquals((await reader.read()).done, true);
  assertEquals([seen.traceparent, seen.body, seen.cookie], [
    traceparent,
    `{"stream":true}`,
    undefined,
  ]);
});

Deno.test("frontend proxy stops the request when its reader leaves before and in the answer", async () => {
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  await using waiting = upstream(async ({ signal }) => {
    const gone = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    arrived.resolve();
    await gone;
    left.resolve();
    return new Response();
  });
  const leave = new AbortController();
  const answer = ask(waiting.url, chat({}, leave.signal));
  await arrived.promise;
  leave.abort();
  await (await answer).text();
  await left.promise;

  const cancelled = Promise.withResolvers<void>();
  await using streaming = upstream(() =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array([1])),
        cancel: () => cancelled.resolve(),
      }),
    )
  );
  const response = await ask(streaming.url, chat());
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await cancelled.promise;
});

Deno.test("frontend proxy refuses other paths and other methods", async () => {
  await using server = upstream(() => new Response("reached"));
  const statusOf = async (request: Request) => {
    const response = await ask(server.url, request);
    await response.text();
    return response.status;
  };
  assertEquals(await statusOf(new Request("http://h/frontend/metrics")), 404);
  assertEquals(await statusOf(new Request("http://h/frontend/v1/models/../../metrics")), 404);
  assertEquals(await statusOf(new Request("http://h/frontend/v1/models", { method: "POST" })), 405);
  assertEquals(await statusOf(new Request("http://h/frontend/requests")), 200);
  assertEquals(await statusOf(chat()), 200);
  const other = createFrontendProxy({ url: server.url });
  assertEquals(await other(new Request("http://h/v1/models")), null);
});

Deno.test("frontend proxy says what to set when the frontend cannot be reached", async () => {
  const { url } = await (async () => {
    await using gone = upstream(() => new Response());
    return gone;
  })();
  const response = await ask(url, chat());
  assertEquals(response.status, 502);
  assertStringIncludes((await response.json()).error.message, "DYN_TRACES_FRONTEND_URL");
});
