/** What the services logged of one request. */

import { fetchLogs, type LogLine } from "./backend.ts";
import { h, notice } from "./dom.ts";
import { asText } from "./json.ts";

/** Shown by themselves, or the same on every line of a request. */
const HIDDEN: ReadonlySet<string> = new Set([
  "time",
  "level",
  "target",
  "message",
  "trace_id",
  "span_id",
  "parent_id",
  "span_name",
  "x_request_id",
  "request_id",
]);

export interface TraceLogs {
  readonly element: HTMLElement;
  /** Looks for the lines of now; those of before stay until they are there. Never rejects. */
  show(): Promise<void>;
}

/** A section that fills in when the service has looked. */
export function traceLogs(traceId: string, signal: AbortSignal): TraceLogs {
  const content = h("div", [h("p.hint", ["Looking…"])]);
  const show = async () => {
    try {
      const { lines, note } = await fetchLogs(traceId, signal);
      content.replaceChildren(
        ...(note === "" ? [] : [h("p.hint", [note])]),
        ...(lines.length === 0 && note === ""
          ? [h("p.hint", ["No service logged anything of it."])]
          : []),
        h("ol.log_lines", lines.map(lineElement)),
      );
    } catch (error) {
      if (!signal.aborted) content.replaceChildren(notice(error));
    }
  };
  return { element: h("section.logs", [h("h2", ["Logs"]), content]), show };
}

function lineElement({ service, fields }: LogLine): HTMLElement {
  const level = asText(fields.level).toLowerCase();
  const rest = Object.entries(fields).filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  const element = h("li", [
    h("span.time", [asText(fields.time).slice(11, 23)]),
    " ",
    h("span.level", [level]),
    " ",
    h("span", [`${service}: ${asText(fields.message)}`]),
    " ",
    h("small", [rest.join(" ")]),
  ]);
  if (level === "error" || level === "warn") element.classList.add(level);
  return element;
}
