/** Reads a frame of a worker off the bus: what another process sent is checked before it is believed. */

import { z } from "zod";
import type { WorkFrame } from "./work.ts";

const count = z.int().min(0);
const tokenId = count.max(0xffffffff);

const schemas = {
  accepted: z.object({ kind: z.literal("accepted"), instanceId: z.string(), queueDepth: count }),
  scheduled: z.object({ kind: z.literal("scheduled"), cachedTokens: count }),
  tokens: z.object({ kind: z.literal("tokens"), index: count, ids: z.array(tokenId) }),
  end: z.object({
    kind: z.literal("end"),
    finishReason: z.enum(["stop", "length", "handed_off"]),
    usage: z.object({ promptTokens: count, cachedTokens: count, completionTokens: count }),
    timings: z.object({
      receivedAtMs: z.number(),
      scheduledAtMs: z.number().optional(),
      prefillEndAtMs: z.number().optional(),
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
  const kind = kindOf(body);
  if (!Object.hasOwn(schemas, kind)) return null;
  const result = schemas[kind as WorkFrame["kind"]].safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new TypeError(
    `Cannot read a worker's "${kind}" frame: ${issue?.path.join(".")}: ${issue?.message}`,
  );
}

function kindOf(body: unknown): string {
  if (typeof body === "object" && body !== null && "kind" in body) return String(body.kind);
  throw new TypeError("Cannot read a worker's frame: it has no kind");
}
