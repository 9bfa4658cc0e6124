/** Spans of the page: what a reader of the chat waited for. Its own code makes them, in the browser. */

import { MODEL, OUTCOME } from "./shared_attributes.ts";
import type { SpanSpec } from "./spec.ts";

export const BROWSER_SPANS = {
  chat_request: {
    name: "chat.request",
    kind: "CLIENT",
    parents: ["root"],
    level: 1,
    description: "One question of the page's chat, from the click to the last token on the screen",
    attributes: {
      ...OUTCOME,
      ...MODEL,
      "http.request.method": { type: "string", description: "HTTP method", isRequired: true },
      "http.route": { type: "string", description: "Route asked for", isRequired: true },
      "chat.pieces": {
        type: "int",
        description: "Pieces of text that came, each of one token or more",
        isRequired: true,
      },
    },
    events: {
      first_token: { description: "The first piece of the answer was on the screen" },
      last_token: { description: "The last one was" },
    },
  },
} as const satisfies Record<string, SpanSpec>;
