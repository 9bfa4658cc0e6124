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
  const layers = /^(?:error sending request for url \(.*?\): |client error \(\w+\): )+/;
  return innermost.message.replace(layers, "");
}
