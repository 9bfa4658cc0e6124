/** The word that spans were exported below which other processes have theirs. */

import { z } from "zod";

export interface ExportWord {
  readonly spanIds: readonly string[];
}

const exportWord = z.object({ spanIds: z.array(z.string().length(16)).max(10_000) });

/** Null when it is something else: who waits for the spans does so for a time only. */
export function parseExportWord(body: unknown): ExportWord | null {
  return exportWord.safeParse(body).data ?? null;
}
