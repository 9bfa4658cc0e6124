/**
 * A bus message on the wire: a NATS message whose headers carry what the bus itself needs beside
 * what the sender passed on.
 *
 * | header          | value                                                   |
 * |-----------------|---------------------------------------------------------|
 * | `baton-kind`    | what the message is                                     |
 * | `baton-seq`     | its place in the stream it belongs to, or a count       |
 * | `baton-call`    | the call it is about, on a control subject              |
 * | `baton-timeout` | milliseconds that a call may take                       |
 *
 * A frame without headers of its own, as there is one for every token, has no NATS headers at all: its
 * number is the last token of its subject. Headers cost more to read than the rest of such a message.
 *
 * Header keys are case-sensitive in the NATS clients; here they are lower-case on both sides. Keys
 * that begin with `baton-` or `nats-` belong to the transport and never reach a handler: copied into
 * an answer, `Nats-Trace-*` would make the server trace that answer under a wrong hop.
 */

import { headers as natsHeaders, type Msg, type MsgHdrs } from "@nats-io/nats-core";
import type { Headers } from "./bus.ts";

/** A message to send. */
export interface OutgoingMessage {
  readonly kind: string;
  readonly sequence?: number;
  readonly callId?: string;
  readonly timeoutMs?: number;
  readonly headers?: Headers;
  readonly data?: Uint8Array;
  /** Where answers go, and the server's word that nobody listens. */
  readonly replyTo?: string;
}

/** A message that came. `data` views a shared buffer and is valid during the callback only. */
export interface IncomingMessage {
  readonly subject: string;
  readonly replyTo: string;
  /** `no_responders` is the server's: nobody listens where the message was sent to. */
  readonly kind: string;
  readonly sequence: number;
  readonly callId: string;
  /** Above 0. */
  readonly timeoutMs?: number;
  readonly headers: Headers;
  /** It came without NATS headers. */
  readonly isBare?: true;
  readonly data: Uint8Array;
}

/** Kind of the NATS server's own answer when nobody listens. */
export const NO_RESPONDERS = "no_responders";

const KIND = "baton-kind";
const SEQUENCE = "baton-seq";
const CALL = "baton-call";
const TIMEOUT = "baton-timeout";
const TRANSPORT_KEY = /^(baton|nats)-/i;

const FRAME = "frame";
const NUMBER = /^\d+$/;

/** The subject of a message that goes without headers; null for one that needs them. */
export function bareSubject(
  subject: string,
  { kind, sequence, headers, callId, timeoutMs, replyTo }: OutgoingMessage,
): string | null {
  const isBare = kind === FRAME && sequence !== undefined && headers === undefined &&
    callId === undefined && timeoutMs === undefined && replyTo === undefined;
  return isBare ? `${subject}.${sequence}` : null;
}

/** Throws when a header value holds a line break. */
export function encodeHeaders(message: OutgoingMessage): MsgHdrs {
  const encoded = natsHeaders();
  for (const [key, value] of Object.entries(message.headers ?? {})) {
    if (!TRANSPORT_KEY.test(key)) encoded.set(key.toLowerCase(), value);
  }
  encoded.set(KIND, message.kind);
  if (message.sequence !== undefined) encoded.set(SEQUENCE, String(message.sequence));
  if (message.callId !== undefined) encoded.set(CALL, message.callId);
  if (message.timeoutMs !== undefined) encoded.set(TIMEOUT, String(message.timeoutMs));
  return encoded;
}

/** Reads a NATS message. What is missing or malformed becomes an empty kind, id or `NaN`. */
export function decodeMessage(message: Msg): IncomingMessage {
  const { headers } = message;
  if (headers === undefined) return decodeBare(message);
  const sent: Record<string, string> = {};
  let kind = "";
  let sequence = NaN;
  let callId = "";
  let timeoutMs = NaN;
  // One pass: the library's `get` searches all keys, and a frame is read for every token.
  for (const [key, values] of headers) {
    if (key === KIND) kind = values[0] ?? "";
    else if (key === SEQUENCE) sequence = Number(values[0] || NaN);
    else if (key === CALL) callId = values[0] ?? "";
    else if (key === TIMEOUT) timeoutMs = Number(values[0] || NaN);
    else if (!TRANSPORT_KEY.test(key)) addHeader(sent, key.toLowerCase(), values);
  }
  const isNoResponders = headers.code === 503 && message.data.byteLength === 0;
  return {
    subject: message.subject,
    replyTo: message.reply ?? "",
    kind: isNoResponders ? NO_RESPONDERS : kind,
    sequence,
    callId,
    ...(timeoutMs > 0 ? { timeoutMs } : {}),
    headers: sent,
    data: message.data,
  };
}

const NO_HEADERS: Headers = {};

function decodeBare({ subject, reply, data }: Msg): IncomingMessage {
  const end = subject.lastIndexOf(".");
  const number = subject.slice(end + 1);
  const isFrame = NUMBER.test(number);
  return {
    subject: isFrame ? subject.slice(0, end) : subject,
    replyTo: reply ?? "",
    kind: isFrame ? FRAME : "",
    sequence: isFrame ? Number(number) : NaN,
    callId: "",
    headers: NO_HEADERS,
    isBare: true,
    data,
  };
}

/** A key that came more than once has its values joined by commas, as HTTP joins them. */
function addHeader(
  headers: Record<string, string>,
  name: string,
  values: readonly string[],
): void {
  const before = headers[name];
  headers[name] = (before === undefined ? values : [before, ...values]).join(", ");
}
