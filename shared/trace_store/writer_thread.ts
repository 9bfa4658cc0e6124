/**
 * The one thread that writes. Requests that arrive within a moment share a transaction; each is
 * answered after its commit.
 */

import type { OtlpError } from "../otlp/mod.ts";
import { type RetentionLimits, SpanWriter, type WriteResult } from "./span_writer.ts";
import { serveCalls, type ThreadScope } from "./thread_call.ts";

export interface OpenWriterInput {
  readonly path: string;
  readonly retention: RetentionLimits;
}

export type WriterEvent =
  | { readonly event: "replaced"; readonly setAside: string }
  | { readonly event: "retention_failed"; readonly message: string };

/** Waiting for company costs each request this much, and saves a transaction. */
const GATHER_MS = 2;
/** Requests beyond it start a transaction at once. */
const GATHER_BYTES = 4 * 1024 * 1024;
const RETENTION_INTERVAL_MS = 30_000;
/** Between runs of retention that have more to forget: writes go first. */
const RETENTION_PAUSE_MS = 50;

interface WaitingRequest {
  readonly bytes: Uint8Array;
  readonly reply: PromiseWithResolvers<WriteResult>;
}

// The lib that is checked against has no worker scope.
const scope = self as unknown as ThreadScope;
let writer: SpanWriter | undefined;
let waiting: WaitingRequest[] = [];
let waitingBytes = 0;
let flushTimer: ReturnType<typeof setTimeout> | undefined;

function opened(): SpanWriter {
  if (writer === undefined) throw new Error("The writer is not open");
  return writer;
}

function emit(event: WriterEvent): void {
  scope.postMessage(event);
}

function write(bytes: Uint8Array): Promise<WriteResult> {
  const reply = Promise.withResolvers<WriteResult>();
  waiting.push({ bytes, reply });
  waitingBytes += bytes.length;
  if (waitingBytes >= GATHER_BYTES) flush();
  else flushTimer ??= setTimeout(flush, GATHER_MS);
  return reply.promise;
}

function flush(): void {
  clearTimeout(flushTimer);
  flushTimer = undefined;
  const requests = waiting;
  waiting = [];
  waitingBytes = 0;
  if (requests.length === 0) return;
  try {
    const results = opened().write(requests.map(({ bytes }) => bytes));
    requests.forEach(({ reply }, index) => settle(reply, results[index]));
  } catch (error) {
    for (const { reply } of requests) reply.reject(error);
  }
}

function settle(reply: PromiseWithResolvers<WriteResult>, result: WriteResult | OtlpError): void {
  if (result instanceof Error) reply.reject(result);
  else reply.resolve(result);
}

function retain(limits: RetentionLimits): void {
  let delayMs = RETENTION_INTERVAL_MS;
  try {
    if (opened().retain(limits)) delayMs = RETENTION_PAUSE_MS;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    emit({ event: "retention_failed", message });
  }
  setTimeout(() => retain(limits), delayMs);
}

serveCalls(scope, {
  open({ path, retention }: OpenWriterInput) {
    writer = new SpanWriter({
      path,
      onReplaced: (setAside) => emit({ event: "replaced", setAside }),
    });
    retain(retention);
  },
  write,
  stats: () => opened().stats(),
  replace: () => opened().replace(),
  close() {
    flush();
    opened()[Symbol.dispose]();
  },
});
