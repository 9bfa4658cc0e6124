import type { Settings } from "./variables.ts";

/**
 * The headers of queries to the Tempo at `url`. They are credentials: a Tempo elsewhere than
 * `TEMPO_QUERY_URL` names does not get them.
 */
export function tempoHeaders(
  { TEMPO_QUERY_URL, TEMPO_QUERY_HEADERS }: Pick<
    Settings,
    "TEMPO_QUERY_URL" | "TEMPO_QUERY_HEADERS"
  >,
  url: string,
): Readonly<Record<string, string>> {
  const isOther = TEMPO_QUERY_URL !== "" &&
    URL.parse(url)?.origin !== URL.parse(TEMPO_QUERY_URL)?.origin;
  return isOther ? {} : TEMPO_QUERY_HEADERS;
}
