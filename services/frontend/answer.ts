/** The text of one answer as it is generated: what streams write and whole answers collect. */

import type { CompletionFinishReason } from "../../shared/openai/mod.ts";
import { generate, type GenerationDeps, type GenerationProgress } from "./generation.ts";
import type { GenerationJob } from "./generation_job.ts";
import type { ServedModel } from "./served_model.ts";
import { TextAssembler } from "./text_assembler.ts";

export interface AnswerPiece {
  readonly kind: "piece";
  /**
   * One for each token that arrived. May be empty: a token that ends within a character, or may
   * begin a stop string.
   */
  readonly texts: readonly string[];
  /** When the last of them arrived at the frontend. */
  readonly arrivedAtMs: number;
}

export interface AnswerEnd {
  readonly kind: "end";
  /** Text that was held back until the end. */
  readonly text: string;
  readonly finishReason: CompletionFinishReason;
}

export interface AnswerOptions {
  readonly model: ServedModel;
  readonly stopStrings: readonly string[];
  readonly isContinuation: boolean;
  readonly progress: GenerationProgress;
}

/** Generates the answer of a job: pieces, then one end. Leaving early stops the workers. */
export async function* answer(
  deps: GenerationDeps,
  job: GenerationJob,
  { model, stopStrings, isContinuation, progress }: AnswerOptions,
): AsyncGenerator<AnswerPiece | AnswerEnd> {
  const { stopTokenIds } = job;
  const assembler = new TextAssembler(model, { stopTokenIds, stopStrings, isContinuation });
  let end: AnswerEnd | null = null;
  // The loop is left before the end is yielded, so that a stop string stops the workers at once.
  for await (const event of generate(deps, job, progress)) {
    if (event.kind === "end") {
      const { texts, isStopped } = assembler.flush();
      const finishReason = isStopped ? "stop" : event.finishReason;
      end = { kind: "end", text: texts.join(""), finishReason };
      break;
    }
    const { texts, isStopped } = assembler.push(event.ids);
    yield { kind: "piece", texts, arrivedAtMs: event.arrivedAtMs };
    if (isStopped) {
      end = { kind: "end", text: "", finishReason: "stop" };
      break;
    }
  }
  if (end === null) throw new TypeError("Cannot end the answer: the generation has no end");
  yield end;
}
