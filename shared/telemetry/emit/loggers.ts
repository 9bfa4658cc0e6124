/**
 * The loggers of a process: stderr as configured, and beside it a file of JSON lines with span events,
 * from which `deno task trace` draws requests.
 *
 * Span events have a target of their own. Where they are wanted they pass at any default level, so that
 * `DYN_LOG=warn` leaves traces whole; `request_span=off` leaves them out.
 */

import {
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
}

/** Throws a SyntaxError for a log filter that does not parse. */
export function createLoggers(options: TelemetryOptions): Loggers {
  const { logFilter, logJsonl, logUseLocalTz, logSpanEvents, logFile } = options;
  const stderr = {
    line: { isJsonl: logJsonl, useLocalTz: logUseLocalTz },
    sink: writeToStderr,
  };
  const target = options.serviceName;
  const filter = parseLogFilter(logFilter);
  const ofStderr = new LineLogger({ target, filter, outputs: [stderr] });
  const files = logFile === "" ? [] : [fileOutput(logFile, ofStderr)];
  const spanOutputs = [...(logSpanEvents ? [stderr] : []), ...files];
  return {
    log: files.length === 0
      ? ofStderr
      : new LineLogger({ target, filter, outputs: [stderr, ...files] }),
    spanEventLog: spanOutputs.length === 0 || options.level === 0 ? null : new LineLogger({
      target: SPAN_EVENT_TARGET,
      filter: parseLogFilter(`${SPAN_EVENT_TARGET}=info,${logFilter}`),
      outputs: spanOutputs,
    }),
  };
}

function fileOutput(path: string, log: LineLogger): LogOutput {
  const file = new LogFile(path, {
    maxBytes: LOG_FILE_MAX_BYTES,
    onFailure: (reason) =>
      log.warn("cannot write the log file; its lines are lost", { path, reason }),
  });
  return { line: { isJsonl: true, useLocalTz: false }, sink: (line) => file.write(line) };
}
