/**
 * What the frontend knows of workers and models: `dynamo_frontend_worker_*` and `_model_*`, read from
 * the last heartbeats at every scrape. A worker that has gone has no series.
 */

import { Gauge } from "prom-client";
import { FRONTEND_PREFIX } from "./frontend_instruments.ts";
import type { MetricsRegistry } from "./registry.ts";

export interface FleetWorker {
  readonly workerId: string;
  readonly workerType: "prefill" | "decode";
  readonly model: string;
  readonly activeBlocks: number;
  readonly activePrefillTokens: number;
  readonly totalBlocks: number;
  readonly blockTokens: number;
  readonly contextLength: number;
  readonly maxSequences: number;
  readonly maxBatchTokens: number;
}

export interface Fleet {
  readonly workers: readonly FleetWorker[];
  readonly migrationLimit: number;
}

/** The last request that a worker served, as far as it went. */
export interface LastRequest {
  readonly ttftMs?: number;
  readonly inputTokens?: number;
  readonly itlMs?: number;
}

const WORKER_GAUGES = [
  ["active_decode_blocks", "KV blocks in use", ({ activeBlocks }) => activeBlocks],
  [
    "active_prefill_tokens",
    "Prompt tokens that wait or are computed",
    ({ activePrefillTokens }) => activePrefillTokens,
  ],
  [
    "last_time_to_first_token_seconds",
    "Of its last request",
    (_, { ttftMs }) => ttftMs === undefined ? undefined : ttftMs / 1000,
  ],
  ["last_input_sequence_tokens", "Of its last request", (_, { inputTokens }) => inputTokens],
  [
    "last_inter_token_latency_seconds",
    "Mean of its last request",
    (_, { itlMs }) => itlMs === undefined ? undefined : itlMs / 1000,
  ],
] as const satisfies readonly (readonly [
  string,
  string,
  (worker: FleetWorker, last: LastRequest) => number | undefined,
])[];

const MODEL_GAUGES = [
  ["total_kv_blocks", "KV blocks of its first decode worker", ({ totalBlocks }) => totalBlocks],
  ["kv_cache_block_size", "Tokens of a KV block", ({ blockTokens }) => blockTokens],
  [
    "context_length",
    "Tokens that its first decode worker takes",
    ({ contextLength }) => contextLength,
  ],
  [
    "max_num_seqs",
    "Sequences in a step of its first decode worker",
    ({ maxSequences }) => maxSequences,
  ],
  [
    "max_num_batched_tokens",
    "Rows in a step of its first decode worker",
    ({ maxBatchTokens }) => maxBatchTokens,
  ],
] as const satisfies readonly (readonly [string, string, (worker: FleetWorker) => number])[];

/** Requests of workers that have gone are forgotten when this many are noted. */
const MAX_NOTED = 256;

export class FleetGauges {
  readonly #last = new Map<string, LastRequest>();
  readonly #read: () => Fleet | undefined;

  constructor(registry: MetricsRegistry, read: () => Fleet | undefined) {
    this.#read = read;
    for (const [name, help, valueOf] of WORKER_GAUGES) {
      this.#gauge(
        registry,
        `worker_${name}`,
        help,
        ["worker_id", "dp_rank", "worker_type"],
        () =>
          this.#workers().flatMap((worker) => {
            const value = valueOf(worker, this.#last.get(worker.workerId) ?? {});
            const { workerId: worker_id, workerType: worker_type } = worker;
            return value === undefined
              ? []
              : [{ labels: { worker_id, dp_rank: "0", worker_type }, value }];
          }),
      );
    }
    for (const [name, help, valueOf] of MODEL_GAUGES) {
      this.#gauge(
        registry,
        `model_${name}`,
        help,
        ["model"],
        () =>
          this.#firstOfModels().map((worker) => ({
            labels: { model: worker.model },
            value: valueOf(worker),
          })),
      );
    }
    this.#gauge(
      registry,
      "model_migration_limit",
      "Times that a request may move to another worker",
      ["model"],
      () =>
        this.#firstOfModels().map(({ model }) => ({
          labels: { model },
          value: this.#read()?.migrationLimit ?? 0,
        })),
    );
  }

  /** A request of this worker ended. */
  served(workerId: string, last: LastRequest): void {
    this.#last.set(workerId, { ...this.#last.get(workerId), ...last });
    if (this.#last.size <= MAX_NOTED) return;
    const live = new Set(this.#workers().map((worker) => worker.workerId));
    for (const id of this.#last.keys()) {
      if (!live.has(id)) this.#last.delete(id);
    }
  }

  #workers(): readonly FleetWorker[] {
    return this.#read()?.workers ?? [];
  }

  #firstOfModels(): readonly FleetWorker[] {
    const decode = this.#workers().filter(({ workerType }) => workerType === "decode");
    return decode.filter(({ model }, index) =>
      decode.findIndex((other) => other.model === model) === index
    );
  }

  #gauge<L extends string>(
    registry: MetricsRegistry,
    name: string,
    help: string,
    labelNames: readonly L[],
    series: () => readonly { readonly labels: Record<L, string>; readonly value: number }[],
  ): void {
    new Gauge({
      name: `${FRONTEND_PREFIX}${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, value } of series()) this.set(labels, value);
      },
    });
  }
}
