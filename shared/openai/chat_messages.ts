/**
 * The messages of a chat request.
 *
 * Text only. `developer` messages go to the template as `system`; a message's `name` goes to the
 * template as it is, since some templates print it; text parts are joined by a line break.
 *
 * Messages and parts are read one by one up to the first problem: a schema of the whole list would
 * look for every problem of millions.
 */

import { z } from "zod";
import {
  onlyEmpty,
  onlyValues,
  parseBody,
  refuseUnsupported,
  type UnsupportedParameters,
} from "./validation.ts";

const textPart = z.strictObject({
  type: z.literal("text", "only text parts are supported"),
  text: z.string(),
  prompt_cache_breakpoint: z.unknown().optional().describe(
    "Not used: prefixes are found without it",
  ),
});

/** What a message is, for the description of the API. */
export const messageSchema = z.object({
  role: z.enum(
    ["system", "developer", "user", "assistant"],
    "the roles system, developer, user and assistant are supported",
  ),
  content: z.union([z.string(), z.array(textPart).min(1)], "it must be text or text parts"),
  name: z.string().optional(),
});

const KNOWN_IN_MESSAGE = new Set(Object.keys(messageSchema.shape));

/** What clients send back of an earlier answer. */
const UNSUPPORTED_IN_MESSAGE: UnsupportedParameters = {
  refusal: onlyValues(),
  annotations: onlyEmpty,
  audio: onlyValues(),
  tool_calls: onlyEmpty,
  function_call: onlyValues(),
};

/** A message but for its content. */
const messageHead = messageSchema.omit({ content: true });
const textContent = z.object({ content: z.string("it must be text or text parts") });

export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
  readonly name?: string;
}

/** The messages in `list`, which has one at least. Throws an ApiError that names what is wrong. */
export function readMessages(list: readonly unknown[]): ChatMessage[] {
  return list.map((message, index) => readMessage(message, `messages.${index}`));
}

function readMessage(message: unknown, path: string): ChatMessage {
  const { role, name } = parseBody(messageHead, message, path);
  const given = message as Readonly<Record<string, unknown>>;
  refuseUnsupported(given, {
    known: KNOWN_IN_MESSAGE,
    unsupported: UNSUPPORTED_IN_MESSAGE,
    path,
  });
  return {
    role: role === "developer" ? "system" : role,
    content: readContent(given, path),
    ...(name === undefined ? {} : { name }),
  };
}

function readContent(message: Readonly<Record<string, unknown>>, path: string): string {
  const { content } = message;
  if (Array.isArray(content) && content.length > 0) {
    const texts = content.map((part, index) =>
      parseBody(textPart, part, `${path}.content.${index}`).text
    );
    return texts.join("\n");
  }
  return parseBody(textContent, message, path).content;
}
