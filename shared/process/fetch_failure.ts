const LAYERS =
  /^(?:error sending request (?:from \S+ )?for (?:url \(.*?\)|\S+ \(\S+\)): |client error \(\w+\): )+/;
/** What the libraries below say in terms of their own. */
const PLAIN_WORDS: readonly (readonly [RegExp, string])[] = [
  [/invalid HTTP version/, "it does not speak plain HTTP; where it wants TLS, use https://"],
  [/InvalidContentType/, "it does not speak TLS; use http://"],
  [/UnknownIssuer/, "the authority that signed its certificate is not trusted here"],
];

/**
 * Why a request got no answer, without the layers that `fetch` puts around the reason and without the
 * address, which may hold a password. `timeoutMs` is that of its signal.
 */
export function fetchFailure(error: unknown, timeoutMs?: number): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  if (!(innermost instanceof Error)) return String(innermost);
  if (innermost.name === "TimeoutError" && timeoutMs !== undefined) {
    return `no answer within ${timeoutMs} ms`;
  }
  const message = innermost.message.replace(LAYERS, "");
  return PLAIN_WORDS.find(([sign]) => sign.test(message))?.[1] ?? message;
}
