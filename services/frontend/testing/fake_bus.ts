/**
 * An in-memory Bus for tests: the contract of shared/bus without a server. Instances are added,
 * changed and killed by the test; calls, errors, cancels and transfers behave as on the wire.
 */

import {
  type Bus,
  CallAborted,
  CallError,
  type CallFailure,
  type CallHandler,
  type CallOptions,
  type Frame,
  HandlerError,
  type IncomingPart,
  type IncomingTransfer,
  type InstanceDirectory,
  type OutgoingTransfer,
  TransferError,
} from "../../../shared/bus/bus.ts";
import { Mailbox } from "../../../shared/bus/mailbox.ts";
import { epochMs } from "../../../shared/clock/epoch_clock.ts";
import {
  type Endpoint,
  endpointSubject,
  type InstanceRecord,
  type Role,
} from "../../../shared/messages/mod.ts";

export class FakeDirectory implements InstanceDirectory {
  readonly dropped: string[] = [];
  #instances: InstanceRecord[] = [];
  readonly #listeners = new Set<(instances: readonly InstanceRecord[]) => void>();

  list(role?: Role): readonly InstanceRecord[] {
    return this.#instances.filter((instance) => role === undefined || instance.role === role);
  }

  /** A heartbeat. */
  put(record: InstanceRecord): void {
    this.#instances = [
      ...this.#instances.filter((each) => each.instanceId !== record.instanceId),
      record,
    ];
    this.#notify();
  }

  remove(instanceId: string): void {
    this.#instances = this.#instances.filter((each) => each.instanceId !== instanceId);
    this.#notify();
  }

  drop(instanceId: string): void {
    this.dropped.push(instanceId);
    this.remove(instanceId);
  }

  async until(
    isReady: (instances: readonly InstanceRecord[]) => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    if (isReady(this.#instances)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    signal?.addEventListener("abort", () => reject(signal.reason));
    const stop = this.onChange((instances) => isReady(instances) && resolve());
    await promise.finally(stop);
  }

  onChange(listener: (instances: readonly InstanceRecord[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #notify(): void {
    for (const listener of this.#listeners) listener(this.#instances);
  }
}

interface OpenCall {
  readonly subject: string;
  fail(failure: CallFailure): void;
}

export class FakeBus implements Bus {
  readonly namespace = "test";
  isConnected = true;
  /** How every call fails from now on. */
  failCalls: CallFailure | null = null;
  readonly instances = new FakeDirectory();
  readonly #handlers = new Map<string, CallHandler>();
  readonly #calls = new Set<OpenCall>();
  readonly #transfers = new Map<string, Mailbox<IncomingPart>>();
  #nextCall = 1;

  tell(): void {}

  listen(): () => void {
    return () => {};
  }

  ping(): Promise<number> {
    return Promise.resolve(0);
  }

  /** Calls of an instance that have not ended. */
  openCalls(instanceId: string): number {
    return [...this.#calls].filter(({ subject }) => subject.endsWith(`.${instanceId}`)).length;
  }

  /** The instance's process dies: open calls break, later ones find nobody. */
  kill(instanceId: string): void {
    for (const subject of this.#handlers.keys()) {
      if (subject.endsWith(`.${instanceId}`)) this.#handlers.delete(subject);
    }
    for (const call of this.#calls) {
      if (call.subject.endsWith(`.${instanceId}`)) call.fail("disconnected");
    }
  }

  async *call<T>(
    subject: string,
    payload: unknown,
    options: CallOptions = {},
  ): AsyncGenerator<Frame<T>> {
    if (this.failCalls) throw new CallError(this.failCalls, `Cannot call ${subject}`);
    const handler = this.#handlers.get(subject);
    if (handler === undefined) throw new CallError("no_responders", `Nobody serves ${subject}`);
    const frames = new Mailbox<Frame<T>>();
    const remote = new AbortController();
    const open: OpenCall = {
      subject,
      fail: (failure) => frames.fail(new CallError(failure, `Cannot finish: ${failure}`)),
    };
    const onAbort = () => {
      remote.abort(new CallAborted("cancelled", options.cancelHeaders?.()));
      frames.clear();
      frames.fail(options.signal?.reason);
    };
    options.signal?.addEventListener("abort", onAbort);
    const timer = options.deadlineAtMs === undefined ? undefined : setTimeout(() => {
      remote.abort(new CallAborted("deadline_exceeded"));
      open.fail("deadline_exceeded");
    }, options.deadlineAtMs - epochMs());
    this.#calls.add(open);
    handler({
      callId: String(this.#nextCall++),
      payload: structuredClone(payload),
      headers: options.headers ?? {},
      signal: remote.signal,
      send: (body, headers = {}) => frames.push({ body: body as T, headers }),
    }).then(
      () => frames.end(),
      (error) => frames.fail(remoteError(error)),
    );
    try {
      for (;;) {
        const taken = await frames.take();
        if (taken.done) return;
        if (options.onFrame === undefined) yield taken.value;
        else options.onFrame(taken.value);
      }
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      this.#calls.delete(open);
      if (!remote.signal.aborted) remote.abort(new CallAborted("cancelled"));
    }
  }

  serve(role: Role, endpoint: Endpoint, instanceId: string, handler: CallHandler): () => void {
    const subject = endpointSubject(this.namespace, role, endpoint, instanceId);
    this.#handlers.set(subject, handler);
    return () => this.#handlers.delete(subject);
  }

  announce(record: () => InstanceRecord): { publishNow(): void; stop(): void } {
    const publishNow = () => this.instances.put(record());
    publishNow();
    return { publishNow, stop: () => this.instances.remove(record().instanceId) };
  }

  directory(): FakeDirectory {
    return this.instances;
  }

  transferSubject(transferId: string): string {
    return `transfer.${transferId}`;
  }

  receive(subject: string, { signal }: { signal?: AbortSignal } = {}): IncomingTransfer {
    const parts = this.#parts(subject);
    signal?.addEventListener(
      "abort",
      () => parts.fail(new TransferError("timeout", "Cannot receive: nothing came in time")),
    );
    return {
      opened: Promise.resolve({}),
      close: () => this.#transfers.delete(subject),
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const taken = await parts.take();
          if (taken.done) return;
          yield taken.value;
          if (taken.value.kind === "finished") return;
        }
      },
    };
  }

  send(subject: string): OutgoingTransfer {
    const parts = this.#parts(subject);
    const stats = { bytes: 0, chunks: 0, startedAtMs: 0, endedAtMs: 0, creditWaitMs: 0, wireMs: 0 };
    return {
      write: (meta, data) => {
        parts.push({ kind: "part", meta, data: new Uint8Array(data) });
        return Promise.resolve();
      },
      finish: (meta) => {
        parts.push({ kind: "finished", meta, stats });
        return Promise.resolve(stats);
      },
      abort: (reason) => parts.fail(new TransferError("aborted", reason)),
    };
  }

  #parts(subject: string): Mailbox<IncomingPart> {
    const parts = this.#transfers.get(subject) ?? new Mailbox<IncomingPart>();
    this.#transfers.set(subject, parts);
    return parts;
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function remoteError(error: unknown): CallError {
  const code = error instanceof HandlerError ? error.code : "internal";
  return new CallError("remote_error", error instanceof Error ? error.message : "failed", code);
}
