import { oneLine } from "./format.ts";
import { textAttribute, type ViewSpan } from "./span.ts";

/** A span in a sentence: `engine.decode [baton-decode]`, `router.route_request prefill [baton-frontend]`. */
export function spanPlace(span: ViewSpan): string {
  // A route's phase tells it from the other; a worker's is told by its service.
  const phase = span.kind === "producer" ? textAttribute(span, "phase") : undefined;
  return [
    oneLine(span.name),
    ...(phase === undefined ? [] : [oneLine(phase)]),
    ...(span.service === "" ? [] : [`[${oneLine(span.service)}]`]),
  ].join(" ");
}
