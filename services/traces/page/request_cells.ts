/** What the rows of requests have in common, whether they run or have ended. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { h } from "./dom.ts";
import { traceHref } from "./waterfall.ts";

const ID_SHOWN = 8;

/** Of the columns: the first is for marks. */
export const REQUEST_HEAD = [
  "",
  "Time",
  "Duration",
  "Outcome",
  "First token",
  "Between",
  "Between p99",
  "Tokens",
  "Model",
  "Workers",
];

export interface RequestLink {
  readonly traceId: string;
  /** By which the keyboard finds it again. */
  readonly key: string;
  readonly startMs: number;
}

/** When it began, and the way to its trace. */
export function requestLink({ traceId, key, startMs }: RequestLink): HTMLElement {
  const time = new Date(startMs).toLocaleTimeString([], { hour12: false });
  return h("a", [time], {
    attributes: { href: traceHref(traceId), title: traceId, "data-key": key },
  });
}

/** Empty where it is not known. */
export function durationText(ms: string | number | undefined): string {
  return typeof ms === "number" && !Number.isNaN(ms) ? formatDuration(ms * 1000) : "";
}

/** Where it runs or ran: the beginnings of the workers' ids, and all of them in the title. */
export function workerCell(ids: readonly string[]): HTMLElement {
  return h("span", [ids.map((id) => id.slice(0, ID_SHOWN)).join(" → ")], {
    attributes: { title: ids.join(" → ") },
  });
}
