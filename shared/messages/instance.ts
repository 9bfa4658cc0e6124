/** What a worker says of itself: heartbeats, and the model card that a frontend serves from. */

import type { TokenizerData } from "../tokenizer/tokenizer_data.ts";
import type { Role } from "./subjects.ts";

export interface InstanceLoad {
  readonly runningSequences: number;
  readonly waitingSequences: number;
  /** Prompt tokens that wait or are being computed. */
  readonly pendingPromptTokens: number;
  readonly usedBlocks: number;
  readonly totalBlocks: number;
  /** Waiting sequences beyond which the instance answers `overloaded`. */
  readonly queueLimit: number;
  /** Most sequences, and most rows, of one step. */
  readonly maxSequences: number;
  readonly maxBatchTokens: number;
}

export interface InstanceModel {
  readonly name: string;
  /** sha256 of the encoded model card. */
  readonly cardDigest: string;
  readonly contextLength: number;
  readonly blockTokens: number;
  /** Bytes of one KV block of all layers. */
  readonly blockBytes: number;
}

export interface InstanceDevice {
  readonly backend: string;
  readonly adapter: string;
  readonly isSoftware: boolean;
}

/** What became of the instance's spans since it started. */
export interface InstanceExporter {
  readonly exportedSpans: number;
  /** Lost for any reason. */
  readonly droppedSpans: number;
  /** Attempts that failed; most are tried again. */
  readonly failedBatches: number;
  /** Ended, and on their way. */
  readonly queuedSpans: number;
}

/** What an instance is up to; only a `ready` one is sent new requests. */
export const INSTANCE_STATES = [
  "ready",
  /** A step of its engine does not end; it may yet. */
  "stuck",
  /** It was asked to end, and finishes what it has. */
  "draining",
  /** It cannot go on, and ends. */
  "failed",
] as const;

export type InstanceState = (typeof INSTANCE_STATES)[number];

/** One heartbeat. Missing heartbeats remove the instance; the next one brings it back. */
export interface InstanceRecord {
  readonly instanceId: string;
  readonly namespace: string;
  readonly role: Role;
  readonly host: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly sentAtMs: number;
  readonly state: InstanceState;
  readonly model: InstanceModel;
  readonly device: InstanceDevice;
  readonly load: InstanceLoad;
  readonly exporter: InstanceExporter;
}

/** All that a frontend needs to serve a model without its file. */
export interface ModelCard {
  readonly name: string;
  /** sha256 of the weights' file. */
  readonly fileDigest: string;
  readonly architecture: string;
  readonly parameterCount: number;
  readonly contextLength: number;
  readonly blockTokens: number;
  readonly tokenizer: TokenizerData;
  /** Jinja source; absent for base models. */
  readonly chatTemplate?: string;
}
