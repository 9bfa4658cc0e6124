/**
 * The engine as the main thread of a worker sees it: sequences go in, events come out.
 *
 * The device, the scheduler and the step loop live in a thread of their own, since a WebGPU call
 * blocks its JS thread for the whole device time. KV bytes cross by transfer, not by copy. Times are
 * epoch milliseconds with fractions (`performance.timeOrigin + performance.now()`), so that both
 * threads share one clock.
 */

import type {
  BackendLimits,
  DeviceChoice,
  DeviceInfo,
  KvLayout,
  PassTime,
  SampleParameters,
} from "./backend.ts";
import type { CapturedOutput } from "../runtime_output/captured_output.ts";
import type { ModelShape } from "../weights/model_file.ts";
import type { Simulation } from "./simulated/simulation.ts";

/**
 * - `generate`: compute the prompt, then generate to the end.
 * - `prefill`: compute the prompt, report the KV blocks of each finished chunk, sample one token, end.
 * - `decode`: blocks are reserved, filled by `importKv`, and generation goes on after `begin`.
 */
export type SequenceKind = "generate" | "prefill" | "decode";

export interface SequenceJob {
  readonly kind: SequenceKind;
  readonly sequenceId: string;
  readonly promptTokens: readonly number[];
  readonly sampling: SampleParameters;
  /** Tokens to generate at most, at least 1. In `decode`, the first token counts. */
  readonly maxTokens: number;
  readonly stopTokenIds: readonly number[];
  /** Time the device passes of every step that this sequence is in; it may slow them. */
  readonly timePasses?: boolean;
}

/** What happens to a sequence, in order. `finished` and `failed` are last, and one of them comes. */
export type SequenceEvent =
  /** Blocks are reserved and, for `decode`, KV may be imported. The queue wait ends here. */
  | { readonly type: "scheduled"; readonly atMs: number; readonly cachedTokens: number }
  /**
   * The cache ran out and an older sequence took the blocks: computed again later, from KV of its own.
   * Imports that are still under way are ignored.
   */
  | {
    readonly type: "preempted";
    readonly atMs: number;
    /** The sequence that needed them; its own where it found none for its next token. */
    readonly bySequenceId: string;
  }
  /** A prefill chunk ran; after a preemption, one that computes earlier tokens again. */
  | {
    readonly type: "chunk";
    readonly startPosition: number;
    readonly tokens: number;
    readonly step: number;
    readonly startMs: number;
    readonly endMs: number;
    /** The chunk's share of the step's device time, or of its time where the device tells none, by rows. */
    readonly computeMs: number;
  }
  /** KV of prompt blocks, for `prefill` sequences: whole blocks, the last one possibly part-filled. */
  | {
    readonly type: "kv";
    readonly firstBlock: number;
    readonly blocks: number;
    readonly data: Uint8Array<ArrayBuffer>;
  }
  /**
   * `index` counts generated tokens from 0; the first of a `decode` sequence is 1, since `begin` gave
   * it token 0. Stop tokens are reported too, `finished` follows.
   */
  | {
    readonly type: "token";
    readonly index: number;
    readonly id: number;
    readonly step: number;
    readonly batchRows: number;
    readonly atMs: number;
    /** As of a chunk; 0 where the token came of a chunk, which has it. */
    readonly computeMs: number;
  }
  | {
    readonly type: "finished";
    readonly reason: "stop" | "length" | "cancelled";
  }
  | { readonly type: "failed"; readonly code: SequenceFailure; readonly message: string };

export type SequenceFailure = "overloaded" | "too_long" | "engine_failed";

/** A sequence in the engine. Iterating gives its events; leaving the loop early cancels it. */
export interface EngineSequence extends AsyncIterable<SequenceEvent> {
  /**
   * Writes whole KV blocks at `firstBlock`; the buffer is transferred and unusable afterwards. Blocks
   * that the prefix cache holds (`cachedTokens` of `scheduled`) need not come and are not written.
   * An import before `scheduled`, or outside the prompt's blocks, fails the sequence.
   */
  importKv(firstBlock: number, data: Uint8Array<ArrayBuffer>): void;
  /** All prompt KV is in: go on from the first token, which the prefill worker sampled. */
  begin(firstToken: number): void;
  /** Ends the sequence within one step and frees its blocks; `finished: cancelled` follows. */
  cancel(): void;
}

export interface EngineLoad {
  readonly runningSequences: number;
  readonly waitingSequences: number;
  readonly pendingPromptTokens: number;
  readonly usedBlocks: number;
  readonly totalBlocks: number;
}

export interface EngineInfo {
  readonly device: DeviceInfo;
  readonly shape: ModelShape;
  readonly kv: KvLayout;
  readonly limits: BackendLimits;
  readonly loadMs: number;
}

/** One step of the engine. */
export interface StepReport {
  /** Counts from 0. */
  readonly step: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Time on the device, where it tells. */
  readonly deviceMs?: number;
  readonly prefillRows: number;
  readonly decodeRows: number;
  readonly members: readonly StepMember[];
  /** KV read from the device or written to it since the step before. */
  readonly kvCopies: readonly KvCopy[];
  /** Where a member asked for them and the device can time them. */
  readonly passes?: readonly PassTime[];
}

/** A sequence's part in a step: rows of its prompt, or its newest token. */
export interface StepMember {
  readonly sequenceId: string;
  readonly rows: number;
  readonly isDecode: boolean;
}

/** Time that the step loop spent on one sequence's KV between two steps. */
export interface KvCopy {
  readonly sequenceId: string;
  readonly direction: "export" | "import";
  readonly durationMs: number;
}

export interface Engine extends AsyncDisposable {
  readonly info: EngineInfo;
  /** The newest load, refreshed after every step and change of the queue. */
  readonly load: EngineLoad;
  /** When the step in progress began, reading its KV included; null between steps. */
  readonly stepStartedAtMs: number | null;
  /** Throws a RangeError when the job itself is wrong: an empty prompt, ids outside the vocabulary. */
  submit(job: SequenceJob): EngineSequence;
  /** Ends it without waiting for the step in progress: every sequence fails with the reason. */
  end(reason: Error): void;
  /** Resolves when the engine thread is gone: the reason where it failed, null after a close. */
  readonly closed: Promise<Error | null>;
}

/** What runs: a model's weights on a device, or a simulation that needs neither. */
export type EngineSource =
  | {
    readonly device: DeviceChoice;
    readonly modelPath: string;
    /** Threads of the CPU backend; by default one for each core. */
    readonly cpuThreads?: number;
  }
  | { readonly device: "simulated"; readonly simulation: Simulation };

export interface EngineLimits {
  /** By default what `defaultKvCacheTokens` says. */
  readonly kvCacheTokens?: number;
  /** Rows of one step: bounds the prefill chunk that shares a step with decode rows. */
  readonly maxBatchTokens: number;
  readonly maxSequences: number;
  /** Sequences that may wait; one more fails with `overloaded`. */
  readonly queueLimit: number;
}

export interface EngineListeners {
  readonly onStep?: (report: StepReport) => void;
  readonly onProgress?: (share: number) => void;
  /** What libraries and the runtime say in the engine's thread; warnings of this one when left out. */
  readonly onOutput?: (output: CapturedOutput) => void;
}

export type EngineOptions = EngineSource & EngineLimits & EngineListeners;
