/** What is to be generated for one request, after templates, tokens and defaults are settled. */

import type { Sampling } from "../../shared/messages/mod.ts";
import type { ActiveSpan } from "../../shared/telemetry/telemetry.ts";

export interface GenerationJob {
  readonly requestId: string;
  readonly model: string;
  readonly cardDigest: string;
  readonly promptTokens: readonly number[];
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** Empty when the client wants generation to go on past the model's own end. */
  readonly stopTokenIds: readonly number[];
  readonly deadlineAtMs: number;
  readonly span: ActiveSpan<"http_request">;
  /** Aborts with an ApiError that says why: the client left, or the frontend shuts down. */
  readonly signal: AbortSignal;
}
