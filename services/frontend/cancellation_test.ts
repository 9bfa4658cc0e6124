import { assertEquals } from "@std/assert/mod.js";
import type { CallAborted } from "../../shared/bus/bus.ts";
import { cancellationSignal } from "../../shared/messages/mod.ts";
import { FrontendKit, readEvents } from "./testing/frontend_kit.ts";

/** A worker hook that reports when it was reached and when its call was cancelled. */
function heldToken(atIndex: number) {
  const reached = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<CallAborted>();
  return {
    reached: reached.promise,
    cancelled: cancelled.promise,
    async onToken(index: number, call: { signal: AbortSignal }): Promise<void> {
      if (index !== atIndex) return;
      reached.resolve();
      call.signal.addEventListener("abort", () => cancelled.resolve(call.signal.reason));
      await cancelled.promise;
    },
  };
}

Deno.test("A client that closes its stream cancels the workers at once, without an error", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const decode = heldToken(2);
  await kit.pair({ decode });
  const response = await kit.chat({ stream: true });
  const reader = response.body!.getReader();
  await reader.read();
  await decode.reached;
  await reader.cancel();
  assertEquals(cancellationSignal((await decode.cancelled).headers), "client_disconnect");
  const [root] = kit.telemetry.of("http_request");
  assertEquals([root?.attributes["request.outcome"], root?.failure], ["cancelled", null]);
  assertEquals(root?.events.map(({ name }) => name), ["first_token", "client_disconnected"]);
  const route = kit.telemetry.of("route_request").at(-1);
  assertEquals(route?.attributes["request.outcome"], "cancelled");
  assertEquals(route?.attributes["cancellation.signal"], "client_disconnect");
  assertEquals(route?.failure, null);
  assertEquals(kit.telemetry.spans.filter((span) => !span.isEnded), []);
  assertEquals(kit.telemetry.endRecords().map(({ level, message }) => [level, message]), [
    ["warn", "request cancelled"],
  ]);
  assertEquals(kit.frontend.admission.inflight, 0);
});

Deno.test("A text that a stop string ends cancels its worker with that as the reason", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const decode = heldToken(3);
  await kit.worker({ role: "decode", instanceId: "d1", ...decode });
  const body = await (await kit.chat({ stop: "el" })).json();
  assertEquals(body.choices[0].message.content, "H");
  assertEquals(cancellationSignal((await decode.cancelled).headers), "stop_string");
  const [route] = kit.telemetry.of("route_request");
  assertEquals(route?.attributes["cancellation.signal"], "stop_string");
  assertEquals(route?.attributes["request.outcome"], "success");
});

Deno.test("A client that leaves before the first token cancels both calls", async () => {
  using kit = await FrontendKit.start();
  const prefill = heldToken(0);
  await kit.pair({ prefill });
  for (const stream of [true, false]) {
    const client = new AbortController();
    const answer = kit.chat({ stream }, { signal: client.signal });
    await prefill.reached;
    client.abort();
    await prefill.cancelled;
    assertEquals((await answer).status, 499);
  }
  assertEquals([kit.bus.openCalls("p1"), kit.bus.openCalls("d1")], [0, 0]);
  const roots = kit.telemetry.of("http_request");
  assertEquals(roots.map(({ attributes }) => attributes["request.outcome"]), [
    "cancelled",
    "cancelled",
  ]);
  assertEquals(roots.some(({ attributes }) => "http.response.status_code" in attributes), false);
});

Deno.test("Draining lets a stream end, refuses new requests and turns /health to 503", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const held = Promise.withResolvers<void>();
  await kit.pair({ decode: { onToken: (index) => index === 2 ? held.promise : undefined } });
  const running = await kit.chat({ stream: true });
  const drained = kit.frontend.admission.drain(30_000);
  const refused = await kit.chat();
  assertEquals([refused.status, (await refused.json()).error.code], [503, "shutting_down"]);
  const health = await kit.get("/health");
  assertEquals([health.status, (await health.json()).status], [503, "not_ready"]);
  held.resolve();
  assertEquals((await readEvents(running)).at(-1), "[DONE]");
  await drained;
  assertEquals(kit.frontend.admission.stage, "stopping");
});

Deno.test("A drain that is over ends streams with an error event and stops the workers", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const decode = heldToken(2);
  await kit.pair({ decode });
  const running = await kit.chat({ stream: true });
  await decode.reached;
  const [events] = await Promise.all([
    readEvents(running),
    kit.frontend.admission.drain(0),
    decode.cancelled,
  ]);
  assertEquals(events.at(-1).error.code, "shutting_down");
  const route = kit.telemetry.of("route_request").at(-1);
  assertEquals(route?.attributes["cancellation.signal"], "shutdown");
  assertEquals(kit.telemetry.of("http_request")[0]?.attributes["request.outcome"], "error");
});

Deno.test("Silence in a stream is broken by comments", async () => {
  using kit = await FrontendKit.start({
    answer: "Hey",
    options: { keepAliveIntervalMs: 5 },
  });
  const held = Promise.withResolvers<void>();
  await kit.pair({ decode: { onToken: (index) => index === 1 ? held.promise : undefined } });
  const response = await kit.chat({ stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  assertEquals((await reader.read()).value, ": keep-alive\n\n");
  held.resolve();
  while (!(await reader.read()).done);
});

Deno.test("A client that neither reads nor leaves is given up after the deadline", async () => {
  using kit = await FrontendKit.start({
    answer: "Hello, world",
    options: { requestTimeoutMs: 30, keepAliveIntervalMs: 5 },
  });
  await kit.pair();
  const response = await kit.chat({ stream: true });
  await kit.frontend.admission.drain(10_000);
  const [root] = kit.telemetry.of("http_request");
  assertEquals([root?.isEnded, root?.failure], [true, "deadline_exceeded"]);
  await response.body?.cancel().catch(() => {});
});

Deno.test("A client that does not read holds up no drain", async () => {
  using kit = await FrontendKit.start({ answer: "Hello, world" });
  await kit.pair();
  const response = await kit.chat({ stream: true });
  await kit.frontend.admission.drain(0);
  const [root] = kit.telemetry.of("http_request");
  assertEquals([root?.isEnded, root?.failure], [true, "shutting_down"]);
  await response.body?.cancel().catch(() => {});
});

/** Posts a chat whose body never comes to its end. */
function stalledChat(kit: FrontendKit, signal?: AbortSignal): Promise<Response> {
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"model":')),
  });
  const request = new Request("http://localhost/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    ...(signal && { signal }),
  });
  return Promise.resolve(kit.request(request));
}

Deno.test("A body that does not come to its end holds up no drain", async () => {
  using kit = await FrontendKit.start();
  const answer = stalledChat(kit);
  await kit.frontend.admission.drain(0);
  assertEquals((await answer).status, 503);
});

Deno.test("A body that does not come to its end is given up after the request's time", async () => {
  using kit = await FrontendKit.start({ options: { requestTimeoutMs: 5 } });
  assertEquals((await stalledChat(kit)).status, 504);
  assertEquals(kit.frontend.admission.inflight, 0);
});

Deno.test("A client that leaves before its body has come is cancelled, not an error", async () => {
  using kit = await FrontendKit.start();
  const client = new AbortController();
  const answer = stalledChat(kit, client.signal);
  client.abort();
  assertEquals((await answer).status, 499);
  const [root] = kit.telemetry.of("http_request");
  assertEquals([root?.attributes["request.outcome"], root?.failure], ["cancelled", null]);
});
