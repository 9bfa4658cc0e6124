/** Reads a work request off the bus: what another process sent is checked before it is believed. */

import { z } from "zod";
import { SUBJECT_TOKEN } from "./subjects.ts";
import type { WorkRequest } from "./work.ts";

const tokenId = z.number().int().min(0).max(0xffffffff);

const schema = z.object({
  phase: z.enum(["prefill", "decode", "aggregate"]),
  requestId: z.string().min(1).max(128),
  attempt: z.number().int().min(1),
  model: z.string().min(1).max(512),
  promptTokens: z.array(tokenId).min(1),
  sampling: z.object({
    temperature: z.number().min(0),
    topK: z.number().int().min(0),
    topP: z.number().min(0).max(1),
    seed: z.int(),
  }),
  maxTokens: z.number().int().min(1),
  stopTokenIds: z.array(tokenId),
  transferId: z.string().regex(SUBJECT_TOKEN).optional(),
}).refine((request) => request.phase === "aggregate" || request.transferId !== undefined, {
  path: ["transferId"],
  message: "phases prefill and decode need a transfer",
});

/** Returns the request; throws a TypeError that names the first wrong field. */
export function parseWorkRequest(payload: unknown): WorkRequest {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new TypeError(
    `Cannot read the work request: ${issue?.path.join(".") || "payload"}: ${issue?.message}`,
  );
}
