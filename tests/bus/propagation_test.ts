/**
 * Trace context across a NATS hop: W3C's cases once from a client through a service to a second one,
 * and once as the header lines of a NATS message itself.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert/mod.js";
import { headers as natsHeaders } from "@nats-io/nats-core";
import type { Bus, Headers } from "../../shared/bus/mod.ts";
import { decodeMessage, encodeHeaders } from "../../shared/bus/message.ts";
import { decodePayload, encodePayload } from "../../shared/bus/payload.ts";
import {
  joinedHeaders,
  SPAN,
  TRACE,
  W3C_CASES,
  type W3cCase,
} from "../../shared/telemetry/propagate/testing/w3c_cases.ts";
import { startTelemetry, type TelemetryOptions } from "../../shared/telemetry/mod.ts";
import { telemetryTestOptions } from "../kit/telemetry_options.ts";
import { connectPlain, connectTestBus, generateSubject } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

const IDS = { xRequestId: "x", requestId: "r" };
const SUBJECT = generateSubject("w");

/** What the second service would send on. */
interface Hop {
  readonly headers: Headers;
}

function telemetry(options: Partial<TelemetryOptions> = {}) {
  const url = "http://127.0.0.1:9/v1/traces";
  return startTelemetry(telemetryTestOptions(url, { exportEnabled: false, ...options }));
}

/** A service that answers a call with the headers that its span passes on; resolves when it is up. */
async function serveSpans(bus: Bus, options: Partial<TelemetryOptions> = {}): Promise<void> {
  const worker = telemetry(options);
  bus.serve("decode", "generate", "w", async (call) => {
    const span = worker.serverSpan("handle_payload", call.headers, IDS);
    const headers = span.headers();
    // With headers of its own, as a plain NATS client can take it too.
    call.send({ headers } satisfies Hop, headers);
    span.end();
  });
  await bus.ping();
}

async function callWith(bus: Bus, headers: Headers): Promise<Headers> {
  for await (const { body } of bus.call<Hop>(SUBJECT, {}, { headers })) return body.headers;
  throw new Error("the call had no frame");
}

function flagsOf(headers: Headers): string | undefined {
  return headers.traceparent?.slice(-2);
}

function check(each: W3cCase, passedOn: Headers): void {
  const [, traceId, spanId] = (passedOn.traceparent ?? "").split("-");
  if (each.isContinued) assertEquals(traceId, TRACE, each.what);
  else assertNotEquals(traceId, TRACE, each.what);
  assertNotEquals(spanId, SPAN, each.what);
  assertEquals(passedOn.tracestate ?? "", each.forwarded, each.what);
  const isSampled = (Number.parseInt(flagsOf(passedOn) ?? "", 16) & 1) === 1;
  assertEquals(isSampled, each.isSampled, each.what);
}

Deno.test("trace context of a client reaches the second service as W3C says", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await using caller = await connectTestBus(server);
  await serveSpans(worker);
  const frontend = telemetry();
  for (const each of W3C_CASES) {
    const root = frontend.serverSpan("http_request", joinedHeaders(each), IDS);
    const route = root.child("decode_routing").child("route_request");
    const passedOn = await callWith(caller, route.headers());
    check(each, passedOn);
    assertEquals(passedOn.traceparent?.slice(3, 35), root.traceId, each.what);
  }
});

Deno.test("trace context in the header lines of a NATS message is read as W3C says", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await serveSpans(worker);
  await worker.ping();
  const client = await connectPlain(server);
  for (const [i, each] of W3C_CASES.entries()) {
    const headers = encodeHeaders({ kind: "call", callId: `c-${i}` });
    for (const line of each.traceparent) headers.append("traceparent", line);
    for (const line of each.tracestate) headers.append("tracestate", line);
    const payload = encodePayload({});
    const answer = decodeMessage(
      await client.request(SUBJECT, payload, { headers, timeout: 30_000 }),
    );
    assertEquals(answer.kind, "frame");
    check(each, (decodePayload(answer.data) as Hop).headers);
  }
  await client.close();
});

Deno.test("NATS keys of any case count as the same header", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await serveSpans(worker);
  await worker.ping();
  const client = await connectPlain(server);
  const traceIdWith = async (...keys: string[]) => {
    const headers = natsHeaders();
    for (const [key, [value]] of encodeHeaders({ kind: "call", callId: crypto.randomUUID() })) {
      headers.set(key, value ?? "");
    }
    for (const key of keys) headers.append(key, `00-${TRACE}-${SPAN}-01`);
    const answer = await client.request(SUBJECT, encodePayload({}), { headers, timeout: 30_000 });
    const { headers: passedOn } = decodePayload(decodeMessage(answer).data) as Hop;
    return passedOn.traceparent?.slice(3, 35);
  };
  assertEquals(await traceIdWith("TraceParent"), TRACE);
  assertNotEquals(await traceIdWith("TraceParent", "traceparent"), TRACE);
  await client.close();
});

Deno.test("baggage, flags and the level that a request asks for survive the hop", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await using caller = await connectTestBus(server);
  await serveSpans(worker, { propagators: [] });
  const root = telemetry().serverSpan("http_request", {
    traceparent: `00-${TRACE}-${SPAN}-03`,
    tracestate: "baton=l:3,rojo=1",
    baggage: "userId=alice,mood=%F0%9F%99%82;p=1",
  }, IDS);
  const passedOn = await callWith(caller, root.headers());
  assertEquals(flagsOf(passedOn), "03");
  assertEquals(passedOn.tracestate, "baton=l:3,rojo=1");
  assertEquals(passedOn.baggage, "userId=alice,mood=%F0%9F%99%82;p=1");
});

Deno.test("a client that speaks B3 is in one trace over the hop", async () => {
  await using server = await NatsServer.start();
  await using worker = await connectTestBus(server);
  await using caller = await connectTestBus(server);
  await serveSpans(worker);
  for (const [state, flags] of [["1", "01"], ["0", "00"]]) {
    const root = telemetry({ propagators: ["b3"] })
      .serverSpan("http_request", { b3: `${TRACE}-${SPAN}-${state}` }, IDS);
    const passedOn = await callWith(caller, root.headers());
    assert(passedOn.traceparent?.startsWith(`00-${TRACE}-`), passedOn.traceparent);
    assertEquals(flagsOf(passedOn), flags);
  }
});
