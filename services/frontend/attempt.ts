/**
 * One attempt at a generation: a prefill and a decode call whose frames are merged, or one call that
 * does both.
 *
 * Which failures end the attempt: any failure of the call that decodes; a failure of the prefill call
 * unless decoding has begun, since then the KV has arrived and the prefill worker is not needed. A
 * transfer that failed at the decode worker may mean that the prefill worker died: its own call is
 * waited for, a little, so that the right one is blamed and not asked again.
 */

import type { Bus } from "../../shared/bus/bus.ts";
import { Mailbox } from "../../shared/bus/mailbox.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { CancellationSignal, FinishReason, WorkFrame } from "../../shared/messages/mod.ts";
import { TokenOrder } from "./token_order.ts";
import { failureOf, StuckError, WorkerCall, type WorkerCallOptions } from "./worker_call.ts";

export interface AttemptPlan {
  /** Absent when the decode worker computes the prompt too. */
  readonly prefill?: WorkerCallOptions;
  readonly decode: WorkerCallOptions;
}

export interface GenerationEnd {
  readonly kind: "end";
  readonly finishReason: FinishReason;
}

/** Token ids in order, stop token included, then one end. */
export type GenerationEvent =
  | {
    readonly kind: "tokens";
    readonly ids: readonly number[];
    /** Of the last of them. */
    readonly arrivedAtMs: number;
  }
  | GenerationEnd;

export type CallSource = "prefill" | "decode";

/** A frame as it arrived at this process, by epochMs; frames that came at once have one time. */
export interface FrameArrival {
  readonly source: CallSource;
  readonly frame: WorkFrame;
  readonly atMs: number;
}

/** The attempt failed; what it generated before stays valid. */
export class AttemptFailure extends Error {
  override name = "AttemptFailure";
  constructor(
    /** Bus failure or worker error code. */
    readonly failure: string,
    readonly failedInstanceId: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Time for the bus to notice that an instance died: more than two of its pings. */
const VERDICT_MS = 1_200;

type Arrival = FrameArrival | { readonly source: CallSource; readonly error: unknown };

interface ReadyArrivals {
  readonly ids: readonly number[];
  readonly arrivedAtMs: number;
  readonly end: GenerationEnd | null;
  readonly failed: Extract<Arrival, { error: unknown }> | null;
}

export class Attempt {
  readonly #prefill: WorkerCall | null;
  readonly #decode: WorkerCall;
  readonly #arrivals = new Mailbox<Arrival>();
  readonly #order = new TokenOrder();
  readonly #maxTokens: number;
  readonly #onFrame: (arrival: FrameArrival) => void;
  /** No frame of a prefill worker is to come. */
  #isPrefillOver: boolean;
  #decodeEnd: Extract<WorkFrame, { kind: "end" }> | null = null;
  #hasDecoded = false;
  #nowMs: number | null = null;
  /** What was taken last: its tokens are given out before its end or failure counts. */
  #taken: ReadyArrivals = { ids: [], arrivedAtMs: 0, end: null, failed: null };
  #transferFailure: AttemptFailure | null = null;
  #verdictTimer: ReturnType<typeof setTimeout> | undefined;

  /** `onFrame` is told of every frame that is believed. */
  constructor(bus: Bus, plan: AttemptPlan, onFrame: (arrival: FrameArrival) => void) {
    this.#prefill = plan.prefill === undefined ? null : new WorkerCall(bus, plan.prefill);
    this.#decode = new WorkerCall(bus, plan.decode);
    this.#maxTokens = plan.decode.request.maxTokens;
    this.#isPrefillOver = plan.prefill === undefined;
    this.#onFrame = onFrame;
  }

  /** Sends the calls. `close` must follow. */
  start(): void {
    if (this.#prefill !== null) this.#pump("prefill", this.#prefill);
    this.#pump("decode", this.#decode);
  }

  /**
   * The next tokens, then the end; not a generator, since one would cost every token. Rejects with an
   * AttemptFailure, or the reason of `abort`.
   */
  async next(): Promise<GenerationEvent> {
    try {
      for (;;) {
        const { failed, end } = this.#taken;
        if (failed !== null) this.#judge(failed.source, failed.error);
        if (end !== null) {
          this.#finish();
          return end;
        }
        const next = await this.#arrivals.take();
        if (next.done) throw new TypeError("Cannot go on: the attempt is over");
        this.#taken = this.#takeReady(next.value);
        const { ids, arrivedAtMs } = this.#taken;
        if (ids.length > 0) return { kind: "tokens", ids, arrivedAtMs };
      }
    } catch (error) {
      this.cancel("superseded");
      throw error;
    }
  }

  /** Nothing more is asked for. Calls are still open here only when the text met a stop string. */
  close(): void {
    clearTimeout(this.#verdictTimer);
    this.cancel("stop_string");
  }

  /** Cancels the calls at once, whatever the reader waits for, and makes `next` throw `reason`. */
  abort(signal: CancellationSignal, reason: unknown): void {
    this.cancel(signal);
    this.#arrivals.clear();
    this.#arrivals.fail(reason);
  }

  /** The text is whole: who works on it is at its end by itself, who has not begun need not. */
  #finish(): void {
    for (const call of [this.#prefill, this.#decode]) {
      if (call?.hasBegun) call.finish();
      else call?.cancel("superseded");
    }
  }

  /** Instances whose calls are still open. */
  get openInstanceIds(): readonly string[] {
    return [this.#prefill, this.#decode]
      .flatMap((call) => call === null || call.isClosed ? [] : call.instance.instanceId);
  }

  /** Gives up the call of an instance that is stuck. It fails the attempt if that still needs the call. */
  giveUp(instanceId: string): void {
    const reason = new StuckError(
      `Cannot finish the request with instance ${instanceId}: a step of its engine does not end`,
    );
    for (const call of [this.#prefill, this.#decode]) {
      if (call?.instance.instanceId === instanceId) call.giveUp(reason);
    }
  }

  /** Cancels the calls that are still open. */
  cancel(signal: CancellationSignal): void {
    this.#prefill?.cancel(signal);
    this.#decode.cancel(signal);
  }

  async #pump(source: CallSource, call: WorkerCall): Promise<void> {
    try {
      await call.run((frame) => this.#arrivals.push({ source, frame, atMs: this.#now() }));
    } catch (error) {
      this.#arrivals.push({ source, error });
    }
  }

  /** One time for what the network brought at once. */
  #now(): number {
    if (this.#nowMs === null) {
      this.#nowMs = epochMs();
      queueMicrotask(() => this.#nowMs = null);
    }
    return this.#nowMs;
  }

  /** Takes an arrival and those that wait behind it, up to an end or a failure: under load a burst. */
  #takeReady(first: Arrival): ReadyArrivals {
    const ids: number[] = [];
    let arrivedAtMs = 0;
    let arrival: Arrival | undefined = first;
    for (; arrival !== undefined; arrival = this.#arrivals.takeReady()) {
      if ("error" in arrival) return { ids, arrivedAtMs, end: null, failed: arrival };
      for (const id of this.#take(arrival)) ids.push(id);
      arrivedAtMs = arrival.atMs;
      const end = this.#endAfter(arrival);
      if (end !== null) return { ids, arrivedAtMs, end, failed: null };
    }
    return { ids, arrivedAtMs, end: null, failed: null };
  }

  #take(arrival: FrameArrival): readonly number[] {
    const ids = this.#idsOf(arrival);
    this.#onFrame(arrival);
    return ids;
  }

  #idsOf({ source, frame }: FrameArrival): readonly number[] {
    switch (frame.kind) {
      case "accepted":
      case "scheduled":
        return [];
      case "tokens":
        if (frame.index + frame.ids.length > this.#maxTokens) {
          throw this.#broken(source, "it sent more tokens than were asked for");
        }
        if (source === "decode") this.#hasDecoded = true;
        return this.#order.push(frame.index, frame.ids);
      case "end":
        if (source === "prefill") this.#isPrefillOver = true;
        else this.#decodeEnd = frame;
        return [];
    }
  }

  /** The attempt's end, once a call said so and no token is on its way. */
  #endAfter({ source, frame }: FrameArrival): GenerationEnd | null {
    if (source === "prefill" && frame.kind === "end") {
      if (frame.finishReason !== "handed_off") {
        return { kind: "end", finishReason: frame.finishReason };
      }
      if (this.#transferFailure !== null) throw this.#transferFailure;
    }
    const decodeEnd = this.#decodeEnd;
    if (decodeEnd === null) return null;
    const isWhole = this.#order.nextIndex > 0 && !this.#order.hasGap;
    if (!isWhole && !this.#isPrefillOver) return null;
    if (!isWhole) throw this.#broken("decode", "it ended and tokens are missing");
    if (decodeEnd.finishReason === "handed_off") throw this.#broken("decode", "it handed it off");
    return { kind: "end", finishReason: decodeEnd.finishReason };
  }

  #judge(source: CallSource, error: unknown): void {
    const isWhole = this.#order.nextIndex > 0 && !this.#order.hasGap;
    if (source === "prefill" && this.#hasDecoded && isWhole) return;
    const failure = new AttemptFailure(
      failureOf(error),
      this.#instanceIdOf(source),
      error instanceof Error ? error.message : String(error),
      { cause: error },
    );
    const isVerdict = source === "prefill" || failure.failure !== "transfer_failed";
    if (isVerdict || this.#isPrefillOver) throw failure;
    this.#transferFailure = failure;
    this.#verdictTimer = setTimeout(() => this.#arrivals.fail(failure), VERDICT_MS);
  }

  /** The worker does not keep to the protocol. */
  #broken(source: CallSource, what: string): AttemptFailure {
    const message = `Cannot finish the request with the ${source} worker: ${what}`;
    return new AttemptFailure("internal", this.#instanceIdOf(source), message);
  }

  #instanceIdOf(source: CallSource): string {
    const call = source === "prefill" && this.#prefill !== null ? this.#prefill : this.#decode;
    return call.instance.instanceId;
  }
}
