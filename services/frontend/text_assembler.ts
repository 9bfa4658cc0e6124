/** Tokens to the text that a client sees: detokenised piece by piece, cut at stop strings. */

import { StopMatcher } from "../../shared/openai/mod.ts";
import { createDetokenizer, type Detokenizer } from "../../shared/tokenizer/mod.ts";
import type { ServedModel } from "./served_model.ts";

export interface AssembledText {
  /** One for each token, empty where it has none yet. */
  readonly texts: readonly string[];
  /** A stop string ended the text. */
  readonly isStopped: boolean;
}

export interface TextAssemblerOptions {
  readonly stopTokenIds: readonly number[];
  readonly stopStrings: readonly string[];
  /** The text goes on the prompt's, as a completion does; a chat answer is a text of its own. */
  readonly isContinuation: boolean;
}

export class TextAssembler {
  readonly #detokenizer: Detokenizer;
  readonly #stopTokenIds: ReadonlySet<number>;
  readonly #matcher: StopMatcher;

  constructor(model: ServedModel, options: TextAssemblerOptions) {
    this.#detokenizer = createDetokenizer(model.tokenizer, {
      skipSpecial: true,
      isContinuation: options.isContinuation,
    });
    this.#stopTokenIds = new Set(options.stopTokenIds);
    this.#matcher = new StopMatcher(options.stopStrings);
  }

  /** Takes the next tokens. Stop tokens count and have no text. */
  push(ids: readonly number[]): AssembledText {
    const texts: string[] = [];
    for (const id of ids) {
      if (this.#stopTokenIds.has(id)) {
        texts.push("");
        continue;
      }
      const result = this.#matcher.push(this.#detokenizer.push(id));
      texts.push(result.text);
      if (result.isStopped) return { texts, isStopped: true };
    }
    return { texts, isStopped: false };
  }

  /** The generation ended by itself: gives out what was held back. */
  flush(): AssembledText {
    const { text, isStopped } = this.#matcher.push(this.#detokenizer.flush());
    return { texts: [isStopped ? text : text + this.#matcher.flush()], isStopped };
  }
}
