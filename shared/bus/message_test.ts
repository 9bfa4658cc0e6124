import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { headers as natsHeaders, type Msg, type MsgHdrs } from "@nats-io/nats-core";
import { bareSubject, decodeMessage, encodeHeaders, NO_RESPONDERS } from "./message.ts";

function received(headers: MsgHdrs | undefined, data = new Uint8Array()): Msg {
  return { subject: "s", reply: "r", headers, data } as Msg;
}

Deno.test("decodeMessage() reads back what encodeHeaders() wrote", () => {
  const headers = {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "a=1,b=2",
    "x-request-id": "id with spaces; and ü",
  };
  const encoded = encodeHeaders({
    kind: "call",
    sequence: 7,
    callId: "c",
    timeoutMs: 1234.5,
    headers,
  });
  const message = decodeMessage(received(encoded, new Uint8Array([1])));
  assertEquals(message, {
    subject: "s",
    replyTo: "r",
    kind: "call",
    sequence: 7,
    callId: "c",
    timeoutMs: 1234.5,
    headers,
    data: new Uint8Array([1]),
  });
});

Deno.test("encodeHeaders() writes keys in lower case", () => {
  const encoded = encodeHeaders({ kind: "k", headers: { TraceParent: "00" } });
  assertEquals(encoded.get("traceparent"), "00");
});

Deno.test("decodeMessage() reads keys of any case", () => {
  const encoded = natsHeaders();
  encoded.set("Traceparent", "00");
  assertEquals(decodeMessage(received(encoded)).headers, { traceparent: "00" });
});

Deno.test("decodeMessage() joins the values of a key that came more than once", () => {
  const encoded = natsHeaders();
  encoded.append("tracestate", "a=1");
  encoded.append("tracestate", "b=2");
  encoded.append("Tracestate", "c=3");
  assertEquals(decodeMessage(received(encoded)).headers, { tracestate: "a=1, b=2, c=3" });
});

Deno.test("encodeHeaders() and decodeMessage() keep the transport's own keys to themselves", () => {
  const encoded = encodeHeaders({
    kind: "frame",
    sequence: 1,
    headers: { "baton-seq": "9", "Nats-Trace-Dest": "x", mine: "1" },
  });
  encoded.set("Nats-Trace-Hop", "1");
  const message = decodeMessage(received(encoded));
  assertEquals(message.sequence, 1);
  assertEquals(message.headers, { mine: "1" });
});

Deno.test("encodeHeaders() refuses a line break in a value", () => {
  assertThrows(() => encodeHeaders({ kind: "k", headers: { a: "b\r\nc" } }));
});

Deno.test("decodeMessage() knows the server's word that nobody listens", () => {
  assertEquals(
    decodeMessage(received(natsHeaders(503, "No Responders"))).kind,
    NO_RESPONDERS,
  );
});

Deno.test("decodeMessage() reads a message that is not the bus's as one of no kind", () => {
  const message = decodeMessage(received(undefined));
  assertEquals([message.kind, message.callId, message.headers], ["", "", {}]);
  assertEquals(message.sequence, NaN);
});

Deno.test("decodeMessage() reads a frame without headers back from what bareSubject() made", () => {
  const subject = bareSubject("inbox.call-1", { kind: "frame", sequence: 12 });
  assertEquals(subject, "inbox.call-1.12");
  const data = new Uint8Array([7]);
  const message = decodeMessage({ subject, reply: "", headers: undefined, data } as unknown as Msg);
  assertEquals(message, {
    subject: "inbox.call-1",
    replyTo: "",
    kind: "frame",
    sequence: 12,
    callId: "",
    headers: {},
    isBare: true,
    data,
  });
});

Deno.test("bareSubject() leaves everything else its headers", () => {
  for (
    const message of [
      { kind: "end", sequence: 3 },
      { kind: "frame", sequence: 3, headers: {} },
      { kind: "frame" },
      { kind: "frame", sequence: 3, replyTo: "r" },
    ]
  ) assertEquals(bareSubject("inbox.call-1", message), null);
});

Deno.test("decodeMessage() gives a message without headers that is no frame no kind", () => {
  assertEquals(decodeMessage(received(undefined)).kind, "");
});
