/**
 * How long the stages of a request took, as `Server-Timing` tells a client.
 *
 * Worker stages are differences of times of one worker, so clocks of different hosts never mix.
 */

import type { PhaseTimings } from "../../shared/messages/mod.ts";

export type Stage =
  | "preprocess"
  | "route"
  | "ttft"
  | "queue"
  | "prefill"
  | "kv_transfer"
  | "decode"
  | "total";

export class StageTimes {
  readonly #ms = new Map<Stage, number>();

  set(stage: Stage, durationMs: number): void {
    this.#ms.set(stage, Math.max(durationMs, 0));
  }

  /** Takes what the workers measured. `prefill` is absent when the decode worker did it all. */
  setWorkers(decode: PhaseTimings | undefined, prefill: PhaseTimings | undefined): void {
    const prompt = prefill ?? decode;
    if (prompt?.scheduledAtMs !== undefined) {
      this.set("queue", prompt.scheduledAtMs - prompt.receivedAtMs);
      const promptEndMs = prompt.firstTokenAtMs ?? prompt.prefillEndAtMs;
      if (promptEndMs !== undefined) this.set("prefill", promptEndMs - prompt.scheduledAtMs);
    }
    if (decode?.kvTransferMs !== undefined) this.set("kv_transfer", decode.kvTransferMs);
    if (decode?.firstTokenAtMs !== undefined) {
      this.set("decode", decode.endAtMs - decode.firstTokenAtMs);
    }
  }

  /** The header's value: `preprocess;dur=0.8, route;dur=0.1, …`, milliseconds. */
  serverTiming(): string {
    return [...this.#ms].map(([stage, ms]) => `${stage};dur=${ms.toFixed(2)}`).join(", ");
  }
}
