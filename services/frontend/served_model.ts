/** A model as the frontend serves it: its card, and what was built from the card. */

import type { ModelCard } from "../../shared/messages/mod.ts";
import {
  type ChatTemplate,
  ChatTemplateError,
  compileChatTemplate,
  createTokenizer,
  type Tokenizer,
} from "../../shared/tokenizer/mod.ts";

export interface ServedModel {
  readonly card: ModelCard;
  readonly cardDigest: string;
  readonly tokenizer: Tokenizer;
  /** No token stands for more characters than this. */
  readonly maxTokenCharacters: number;
  /** Null for models that answer text completions only. */
  readonly template: ChatTemplate | null;
  /** Why there is no template. */
  readonly templateProblem: string;
  /** OpenAI's `system_fingerprint`: equal ones have equal weights and tokenizer. */
  readonly fingerprint: string;
}

/** Builds tokenizer and template. Throws a TokenizerError when the card's data is not usable. */
export function buildServedModel(card: ModelCard, cardDigest: string): ServedModel {
  return {
    card,
    cardDigest,
    tokenizer: createTokenizer(card.tokenizer),
    maxTokenCharacters: card.tokenizer.tokens.reduce((max, { length }) => Math.max(max, length), 1),
    ...compileTemplate(card.chatTemplate),
    fingerprint: `fp_${cardDigest.slice(0, 12)}`,
  };
}

/** A template that does not compile costs the model its chats, not its completions. */
function compileTemplate(
  source: string | undefined,
): Pick<ServedModel, "template" | "templateProblem"> {
  if (source === undefined) return { template: null, templateProblem: "it has no chat template" };
  try {
    return { template: compileChatTemplate(source), templateProblem: "" };
  } catch (error) {
    if (!(error instanceof ChatTemplateError)) throw error;
    return { template: null, templateProblem: error.message };
  }
}
