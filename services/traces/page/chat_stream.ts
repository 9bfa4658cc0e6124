/** A streamed chat answer, event by event. */

import {
  type AnswerTimings,
  readTimings,
  readTokenTimings,
  type TokenTiming,
} from "./answer_timings.ts";
import { errorText } from "./backend.ts";
import { asRecord, asRecords, asText } from "./json.ts";

export interface ChatPiece {
  /** Text to add to the answer; empty in the first and last pieces. */
  readonly text: string;
  /** The tokens that the text came with, where they were asked for. */
  readonly tokens: readonly TokenTiming[];
  /** Why it ended: "stop", "length"; empty before. */
  readonly finishReason: string;
  /** In the last piece, where they were asked for. */
  readonly timings: AnswerTimings | null;
}

/** The pieces of an answer. Throws an Error with the server's words when it breaks off. */
export async function* readChatStream(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ChatPiece, void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await reader.read().catch((cause) => {
        throw new Error("The answer broke off: the connection was lost", { cause });
      });
      if (done) break;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const data = /^data: ?(.*?)\r?$/.exec(line)?.[1];
        if (data === undefined) continue;
        if (data === "[DONE]") return;
        yield readPiece(data);
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  throw new Error("The answer broke off before its end");
}

function readPiece(data: string): ChatPiece {
  const event = asRecord(JSON.parse(data));
  const message = errorText(event);
  if (message !== "") throw new Error(message);
  const [choice = {}] = asRecords(event.choices);
  return {
    text: asText(asRecord(choice.delta).content),
    tokens: readTokenTimings(event.token_timings),
    finishReason: asText(choice.finish_reason),
    timings: readTimings(event.timings),
  };
}
