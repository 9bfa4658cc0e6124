/**
 * Chat templates: a model's own Jinja program that turns messages into its prompt.
 *
 * Templates refuse messages by calling `raise_exception`. The library's own throws a plain Error
 * that cannot be told from a failure, so every program starts by setting that name to ours.
 */

import { Template } from "@huggingface/jinja";
import { ChatTemplateError } from "./errors.ts";

/** A message as templates see it. Content is text; other fields pass through as they are. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string | null;
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** Ends the prompt with the opening of the assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** Texts of the begin and end tokens; empty where the model has none. */
  readonly bosToken: string;
  readonly eosToken: string;
  /** OpenAI tool definitions. */
  readonly tools?: readonly unknown[];
}

export interface ChatTemplate {
  /** The prompt. Throws a ChatTemplateError. */
  render(messages: readonly TemplateMessage[], options: RenderOptions): string;
}

/** Compiles a template. Throws a ChatTemplateError when its syntax is not understood. */
export function compileChatTemplate(source: string): ChatTemplate {
  const template = parse(source);
  return {
    render(messages, { addGenerationPrompt, bosToken, eosToken, tools }) {
      try {
        return template.render({
          messages,
          add_generation_prompt: addGenerationPrompt,
          bos_token: bosToken,
          eos_token: eosToken,
          // Transformers defines `tools` always, and templates are written against it.
          tools: tools === undefined || tools.length === 0 ? null : tools,
          refuse_messages: refuse,
        });
      } catch (error) {
        if (error instanceof ChatTemplateError) throw error;
        throw broken("render", error);
      }
    },
  };
}

const SET_RAISE_EXCEPTION = "{% set raise_exception = refuse_messages %}";

function parse(source: string): Template {
  try {
    const template = new Template(source);
    template.parsed.body.unshift(...new Template(SET_RAISE_EXCEPTION).parsed.body);
    return template;
  } catch (error) {
    throw broken("compile", error);
  }
}

/** What templates call to refuse messages. */
function refuse(reason: unknown): never {
  throw new ChatTemplateError("rejected", `Cannot apply the chat template: ${reason}`);
}

function broken(action: string, cause: unknown): ChatTemplateError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ChatTemplateError("broken", `Cannot ${action} the chat template: ${reason}`, {
    cause,
  });
}
