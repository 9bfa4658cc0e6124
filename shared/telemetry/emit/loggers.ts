/**
 * The loggers of a process: stderr as configured, and beside it a file of JSON lines with span events,
 * from which `deno task trace` draws requests.
 *
 * Span events have a target of their own. Where they are wanted they pass at any default level, so that
 * `DYN_LOG=warn` leaves traces whole; `request_span=off` leaves them out. Their lines leave together
 * (`line_batch.ts`), all others at once.
 */

import {
  type ByteSink,
  LineBatch,
  LineLogger,
  LOG_FILE_MAX_BYTES,
  LogFile,
  type LogOutput,
  parseLogFilter,
  writeToStderr,
} from "../log/mod.ts";
import type { TelemetryOptions } from "../telemetry.ts";

const SPAN_EVENT_TARGET = "request_span";

export interface Loggers {
  readonly log: LineLogger;
  /** Null where no output wants span events. */
  readonly spanEventLog: LineLogger | null;
  /** Writes the lines that wait. */
  readonly flush: () => void;
}

/** Throws a SyntaxError for a log filter that does not parse. */
export function createLoggers(options: TelemetryOptions): Loggers {
  const { logFilter, logJsonl, logUseLocalTz, logSpanEvents, logFile } = options;
  const target = options.serviceName;
  const filter = parseLogFilter(logFilter);
  const stderr = destination(writeToStderr, { isJsonl: logJsonl, useLocalTz: logUseLocalTz });
  const ofStderr = new LineLogger({ target, filter, outputs: [stderr.urgent] });
  const files = logFile === "" ? [] : [fileDestination(logFile, ofStderr)];
  const forSpans = options.level === 0 ? [] : logSpanEvents ? [stderr, ...files] : files;
  return {
    log: files.length === 0
      ? ofStderr
      : new LineLogger({ target, filter, outputs: [stderr, ...files].map((to) => to.urgent) }),
    spanEventLog: forSpans.length === 0 ? null : new LineLogger({
      target: SPAN_EVENT_TARGET,
      filter: parseLogFilter(`${SPAN_EVENT_TARGET}=info,${logFilter}`),
      outputs: forSpans.map((to) => to.waiting),
    }),
    flush: () => forSpans.forEach((to) => to.flush()),
  };
}

/** Where lines go, in one order: at once, or with others. */
interface Destination {
  readonly urgent: LogOutput;
  readonly waiting: LogOutput;
  readonly flush: () => void;
}

function destination(sink: ByteSink, line: LogOutput["line"]): Destination {
  const batch = new LineBatch(sink);
  return {
    urgent: { line, sink: (text) => batch.write(text) },
    waiting: { line, sink: (text) => batch.add(text) },
    flush: () => batch.flush(),
  };
}

function fileDestination(path: string, log: LineLogger): Destination {
  const file = new LogFile(path, {
    maxBytes: LOG_FILE_MAX_BYTES,
    onFailure: (reason) =>
      log.warn("cannot write the log file; its lines are lost", { path, reason }),
  });
  return destination((lines) => file.write(lines), { isJsonl: true, useLocalTz: false });
}
