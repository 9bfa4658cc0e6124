/** Compares a backend's texts with the reference's, token for token. */

import { assertEquals } from "@std/assert/mod.js";
import type { Backend } from "../../shared/engine/backend.ts";
import type { ReferenceTexts, TextJob } from "./reference_text.ts";
import { note } from "./test_notes.ts";
import { runTexts } from "./text_run.ts";

/** A token that is neither the reference's nor within its rounding. */
export interface Departure {
  readonly job: TextJob;
  /** The reference's tokens before it. */
  readonly before: readonly number[];
  readonly token: number;
}

/**
 * Runs `jobs` and returns where the backend departs from the reference. Where the reference's own
 * choice hangs on less than 0.001 (the gap of its top two logits, or what that does to the scores and to
 * the edges of top-k and top-p), the other choice is admissible: this says so. Either way the text goes
 * on from the reference's token.
 */
export async function departures(
  backend: Backend,
  jobs: readonly TextJob[],
  { texts, together, chunkTokens }: {
    readonly texts: ReferenceTexts;
    readonly together: number;
    readonly chunkTokens: number;
  },
): Promise<Departure[]> {
  const finished = new Set<string>();
  const found: Departure[] = [];
  await runTexts(backend, jobs, {
    together,
    chunkTokens,
    onToken: (job, index, token) => {
      const { tokens, admissible } = texts.get(job.name)!;
      const expected = tokens[index];
      if (token !== expected) {
        const where = `"${job.name}", token ${index}: ${token}, the reference has ${expected}`;
        if (admissible[index].includes(token)) note(`${where}; a gap below 0.001 admits both`);
        else found.push({ job, before: tokens.slice(0, index), token });
      }
      if (index < tokens.length - 1) return expected;
      finished.add(job.name);
      return null;
    },
  });
  assertEquals(finished, new Set(jobs.map(({ name }) => name)));
  return found;
}

/** Fails at the first departure. */
export async function assertTexts(...args: Parameters<typeof departures>): Promise<void> {
  const [first] = await departures(...args);
  if (first === undefined) return;
  const { job, before, token } = first;
  throw new Error(`"${job.name}", token ${before.length}: ${token} is not the reference's`);
}
