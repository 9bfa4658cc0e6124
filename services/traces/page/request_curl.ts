/** A request as a command that can be run again, from what its span tells: everything but its prompt. */

import { numberAttribute, textAttribute, type ViewSpan } from "../../../shared/trace_view/span.ts";

const PROMPT = "(the prompt is in no trace)";
/** Fields of the body by the attribute that holds them. */
const FIELDS: readonly [string, string][] = [
  ["max_tokens", "gen_ai.request.max_tokens"],
  ["temperature", "gen_ai.request.temperature"],
  ["top_p", "gen_ai.request.top_p"],
  ["top_k", "gen_ai.request.top_k"],
  ["seed", "gen_ai.request.seed"],
];

/** `origin` is the page's, which passes requests on to the frontend. */
export function requestCurl(span: ViewSpan, origin: string): string {
  const route = textAttribute(span, "http.route") ?? "/v1/chat/completions";
  const isStream = span.attributes["gen_ai.request.stream"] === true;
  return curl(`${origin}/frontend${route}`, {
    model: textAttribute(span, "gen_ai.request.model"),
    ...(route.endsWith("/chat/completions")
      ? { messages: [{ role: "user", content: PROMPT }] }
      : { prompt: PROMPT }),
    ...Object.fromEntries(FIELDS.flatMap(([field, attribute]) => {
      const value = numberAttribute(span, attribute);
      return value === undefined ? [] : [[field, value]];
    })),
    ...(isStream ? { stream: true } : {}),
  });
}

/** A command that posts `body` as JSON, quoted for a POSIX shell: what spans say may come from anybody. */
export function curl(url: string, body: unknown): string {
  const json = JSON.stringify(body);
  return `curl -N ${quoted(url)} -H 'content-type: application/json' -d ${quoted(json)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
