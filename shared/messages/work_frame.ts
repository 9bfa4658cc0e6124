/** Reads a frame of a worker off the bus: what another process sent is checked before it is believed. */

import { z } from "zod";
import type { WorkFrame } from "./work.ts";

const count = z.int().min(0);
const MAX_TOKEN_ID = 0xffffffff;
const tokenId = count.max(MAX_TOKEN_ID);

const schemas = {
  accepted: z.object({ kind: z.literal("accepted"), instanceId: z.string(), queueDepth: count }),
  scheduled: z.object({ kind: z.literal("scheduled"), cachedTokens: count }),
  tokens: z.object({
    kind: z.literal("tokens"),
    index: count,
    ids: z.array(tokenId),
    step: count,
  }),
  end: z.object({
    kind: z.literal("end"),
    finishReason: z.enum(["stop", "length", "handed_off"]),
    usage: z.object({ promptTokens: count, cachedTokens: count, completionTokens: count }),
    timings: z.object({
      receivedAtMs: z.number(),
      scheduledAtMs: z.number().optional(),
      firstTokenAtMs: z.number().optional(),
      kvTransferMs: z.number().optional(),
      endAtMs: z.number(),
    }),
  }),
} as const satisfies Record<WorkFrame["kind"], z.ZodType<WorkFrame>>;

/**
 * Returns the frame; null for a kind that this version does not know, since a newer worker may tell
 * more. Throws a TypeError that names the first wrong field of one that it knows.
 */
export function parseWorkFrame(body: unknown): WorkFrame | null {
  if (isTokensFrame(body)) return body;
  const kind = kindOf(body);
  if (!Object.hasOwn(schemas, kind)) return null;
  const result = schemas[kind as WorkFrame["kind"]].safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new TypeError(
    `Cannot read a worker's "${kind}" frame: ${issue?.path.join(".")}: ${issue?.message}`,
  );
}

/** By hand, since one comes for every token and a schema copies what it checks. */
function isTokensFrame(body: unknown): body is Extract<WorkFrame, { kind: "tokens" }> {
  if (typeof body !== "object" || body === null) return false;
  const { kind, index, ids, step } = body as Readonly<Record<string, unknown>>;
  return kind === "tokens" && isCount(index, Number.MAX_SAFE_INTEGER) &&
    isCount(step, Number.MAX_SAFE_INTEGER) && Array.isArray(ids) &&
    ids.every((id) => isCount(id, MAX_TOKEN_ID));
}

function isCount(value: unknown, max: number): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= max;
}

function kindOf(body: unknown): string {
  if (typeof body === "object" && body !== null && "kind" in body) return String(body.kind);
  throw new TypeError("Cannot read a worker's frame: it has no kind");
}
