/** Reads a heartbeat off the bus: what another process sent is checked before it is believed. */

import { z } from "zod";
import { INSTANCE_STATES, type InstanceRecord } from "./instance.ts";
import { SUBJECT_TOKEN } from "./subjects.ts";

const count = z.int().min(0);
const token = z.string().regex(SUBJECT_TOKEN);

/** Fields of a newer version are left out; the subjects of calls are made of the tokens. */
const schema = z.object({
  instanceId: token,
  namespace: token,
  role: z.enum(["prefill", "decode"]),
  host: z.string(),
  pid: count,
  startedAtMs: z.number(),
  sentAtMs: z.number(),
  state: z.enum(INSTANCE_STATES),
  model: z.object({
    name: z.string().min(1),
    cardDigest: z.string().min(1),
    contextLength: count,
    blockTokens: count,
    blockBytes: count,
  }),
  device: z.object({ backend: z.string(), adapter: z.string(), isSoftware: z.boolean() }),
  load: z.object({
    runningSequences: count,
    waitingSequences: count,
    pendingPromptTokens: count,
    usedBlocks: count,
    totalBlocks: count,
    queueLimit: count,
    maxSequences: count,
    maxBatchTokens: count,
  }),
  exporter: z.object({
    exportedSpans: count,
    droppedSpans: count,
    failedBatches: count,
    queuedSpans: count,
  }),
});

/** Null when the payload is no heartbeat of a version that this one understands. */
export function parseInstanceRecord(payload: unknown): InstanceRecord | null {
  return schema.safeParse(payload).data ?? null;
}
