/**
 * What the main thread and the engine thread say to each other.
 *
 * `open` comes first and is answered by `start_thread` and `progress`, and then `ready` or `failed`.
 * Commands follow, and are answered by one `report` for each step or change of the queue. `closed` or
 * `failed` is last. `output` may come at any time.
 */

import type { PoolThreadRequest } from "../engine/cpu/start_pool_thread.ts";
import type { CapturedOutput } from "../runtime_output/captured_output.ts";
import type {
  EngineInfo,
  EngineLimits,
  EngineLoad,
  EngineSource,
  SequenceEvent,
  SequenceJob,
  StepReport,
} from "../engine/engine.ts";

export interface OpenRequest {
  readonly options: EngineSource & EngineLimits;
  /** Counts the commands posted after this message. See command_counter.ts. */
  readonly commandCount: SharedArrayBuffer;
  /** Tells of the step in progress. See step_mark.ts. */
  readonly stepMark: SharedArrayBuffer;
}

/** Main thread to engine thread. */
export type EngineCommand =
  | { readonly type: "submit"; readonly job: SequenceJob }
  | {
    readonly type: "import";
    readonly sequenceId: string;
    readonly firstBlock: number;
    readonly data: Uint8Array<ArrayBuffer>;
  }
  | { readonly type: "begin"; readonly sequenceId: string; readonly firstToken: number }
  | { readonly type: "cancel"; readonly sequenceId: string }
  | { readonly type: "close" };

export interface AddressedEvent {
  readonly sequenceId: string;
  readonly event: SequenceEvent;
}

export interface EngineReport {
  readonly type: "report";
  readonly events: readonly AddressedEvent[];
  readonly load: EngineLoad;
  /** Its members are known by the events: each got a chunk or a token. */
  readonly step?: Omit<StepReport, "members">;
}

/** Engine thread to main thread. */
export type EngineMessage =
  | { readonly type: "output"; readonly output: CapturedOutput }
  | { readonly type: "start_thread"; readonly request: PoolThreadRequest }
  | { readonly type: "progress"; readonly share: number }
  | { readonly type: "ready"; readonly info: EngineInfo; readonly load: EngineLoad }
  | EngineReport
  | { readonly type: "failed"; readonly name: string; readonly message: string }
  | { readonly type: "closed" };
