/** The word that a request which was not sampled is worth its trace. */

import { z } from "zod";

export interface KeepWord {
  readonly requestId: string;
}

const keepWord = z.object({ requestId: z.string().min(1).max(128) });

/** Null when it is something else: nobody waits for it. */
export function parseKeepWord(body: unknown): KeepWord | null {
  return keepWord.safeParse(body).data ?? null;
}
