import { messageOf } from "./finding.ts";

/** Why a request got no answer, without the layers that `fetch` puts around the reason. */
export function fetchFailure(error: unknown, timeoutMs: number): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  if (innermost instanceof Error && innermost.name === "TimeoutError") {
    return `no answer within ${timeoutMs} ms`;
  }
  const layers = /^(?:error sending request for url \(.*?\): |client error \(\w+\): )+/;
  return messageOf(innermost).replace(layers, "");
}
