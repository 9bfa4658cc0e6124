import type { ExporterHealth } from "../telemetry.ts";

/** What became of the spans, as those who handle them count it. */
export class ExportStats implements ExporterHealth {
  exportedSpans = 0;
  droppedSpans = 0;
  failedBatches = 0;
  retriedSpans = 0;
  queuedSpans = 0;
  heldSpans = 0;
  heldBytes = 0;
  keptSpans = 0;
  expiredSpans = 0;
  evictedSpans = 0;
}
