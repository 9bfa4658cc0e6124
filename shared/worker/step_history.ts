/**
 * What the engine's last steps did, and for which requests: from it a request's trace tells why one of
 * its tokens came late.
 *
 * A step's other requests are looked up when its report comes, since they may have ended by the time
 * somebody asks. Both are bounded: steps by a ring, requests by those that run and the last that ended.
 */

import type { StepReport } from "../engine/engine.ts";
import { exemplarOf, type StepTraces } from "../telemetry/metrics/mod.ts";
import type { ActiveSpan } from "../telemetry/telemetry.ts";

/** More than pass between a token's report and its handling. */
const MAX_STEPS = 256;
/** KV is read after a sequence's last step, and reported with the step that follows. */
const MAX_ENDED_REQUESTS = 64;

/** A request as others refer to it. */
export interface StepRequest {
  readonly requestId: string;
  readonly span: ActiveSpan<"handle_payload">;
}

/** What a step, or the time before it, did for one request. */
export interface StepWork {
  readonly sequenceId: string;
  /** Null for a sequence of no request that is known. */
  readonly request: StepRequest | null;
  /** Rows of a prompt, or milliseconds of copying KV. */
  readonly amount: number;
}

export interface PastStep {
  readonly report: StepReport;
  readonly prefills: readonly StepWork[];
  readonly kvExports: readonly StepWork[];
  readonly kvImports: readonly StepWork[];
}

export class StepHistory {
  readonly #steps: PastStep[] = [];
  readonly #running = new Map<string, StepRequest>();
  readonly #ended = new Map<string, StepRequest>();

  /** A request's sequence was submitted. */
  join(sequenceId: string, request: StepRequest): void {
    this.#running.set(sequenceId, request);
  }

  /** It has ended. */
  leave(sequenceId: string): void {
    const request = this.#running.get(sequenceId);
    if (request === undefined) return;
    this.#running.delete(sequenceId);
    this.#ended.set(sequenceId, request);
    if (this.#ended.size <= MAX_ENDED_REQUESTS) return;
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest);
      return;
    }
  }

  /** The request of a sequence; null for one that is not known, or not any more. */
  requestOf(sequenceId: string): StepRequest | null {
    return this.#running.get(sequenceId) ?? this.#ended.get(sequenceId) ?? null;
  }

  add(report: StepReport): void {
    const copies = (direction: "export" | "import") =>
      report.kvCopies.filter((copy) => copy.direction === direction)
        .map(({ sequenceId, durationMs }) => this.#work(sequenceId, durationMs));
    this.#steps[report.step % MAX_STEPS] = {
      report,
      prefills: report.prefillRows === 0 ? [] : report.members
        .filter(({ isDecode }) => !isDecode)
        .map(({ sequenceId, rows }) => this.#work(sequenceId, rows)),
      kvExports: copies("export"),
      kvImports: copies("import"),
    };
  }

  /** A step by its number; null when it was too long ago. */
  at(step: number): PastStep | null {
    const past = this.#steps[step % MAX_STEPS];
    return past?.report.step === step ? past : null;
  }

  /** For each kind of rows in a step, the trace of a request in it that is exported. */
  tracesOf({ members }: StepReport): StepTraces {
    const traces: { -readonly [K in keyof StepTraces]: StepTraces[K] } = {};
    for (const { sequenceId, isDecode } of members) {
      const kind = isDecode ? "decode" : "prefill";
      if (traces[kind] !== undefined) continue;
      const span = this.requestOf(sequenceId)?.span;
      const traceId = span === undefined ? undefined : exemplarOf(span);
      if (traceId !== undefined) traces[kind] = traceId;
    }
    return traces;
  }

  #work(sequenceId: string, amount: number): StepWork {
    return { sequenceId, request: this.requestOf(sequenceId), amount };
  }
}
