/** The process around `deno task trace`: arguments, terminal, exit codes. */

import {
  ConfigError,
  loadSettings,
  serviceLogDir,
  type Settings,
  tempoHeaders,
} from "../../shared/config/mod.ts";
import { cacheDirectory } from "../../shared/download/mod.ts";
import { redactText } from "../../shared/telemetry/log/redact.ts";
import { paintAnsi, paintPlain } from "../../shared/trace_view/style.ts";
import type { TempoAccess } from "./find_in_tempo.ts";
import { HELP, parseOptions, type TraceOptions, UsageError } from "./options.ts";
import { tail } from "./tail.ts";
import { showTraces } from "./trace.ts";

/** Where no terminal tells its own and COLUMNS is not set. */
const DEFAULT_WIDTH = 120;

type Env = Readonly<Record<string, string>>;

const encoder = new TextEncoder();

/** Returns the exit code: 0 done, 1 not found or unreadable, 2 wrong arguments or settings. */
async function main(args: readonly string[], env: Env): Promise<number> {
  try {
    const options = parseOptions(args);
    if (options.command === "help") {
      writeLine(HELP.trimEnd());
      return 0;
    }
    const text = { width: terminalWidth(env), paint: hasColors(env) ? paintAnsi : paintPlain };
    const settings = loadSettings(env);
    const tempo = options.tempoUrl === undefined ? null : tempoAccess(options.tempoUrl, settings);
    const logs = tempo === null ? logNames(options, { settings, env }) : [];
    if (options.command === "tail") {
      const stop = new AbortController();
      Deno.addSignalListener("SIGINT", () => stop.abort());
      await tail({ names: logs, paint: text.paint, write: writeLine, signal: stop.signal });
    } else {
      await showTraces(options, { logs, tempo, text, write: writeLine });
    }
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    write(Deno.stderr, `${redactText(message)}\n`);
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
  }
}

function tempoAccess(given: string, settings: Settings): TempoAccess {
  const url = given || settings.TEMPO_QUERY_URL.replace(/\/+$/, "");
  if (url !== "") return { url, headers: tempoHeaders(settings, url) };
  throw new UsageError("Cannot use --tempo: name its URL, or set TEMPO_QUERY_URL");
}

function logNames(
  { logs }: TraceOptions,
  { settings, env }: { readonly settings: Settings; readonly env: Env },
): readonly string[] {
  if (logs.length > 0) return logs;
  const cacheDir = cacheDirectory({ os: Deno.build.os, env, override: settings.DYN_CACHE_DIR });
  const folder = serviceLogDir(settings, cacheDir);
  if (folder === "off") {
    throw new UsageError("Cannot read logs: DYN_LOG_DIR is off; name files with --logs");
  }
  return [folder];
}

function hasColors(env: Env): boolean {
  return Deno.stdout.isTerminal() && !env.NO_COLOR;
}

function terminalWidth(env: Env): number {
  if (Deno.stdout.isTerminal()) return Deno.consoleSize().columns;
  const columns = Number(env.COLUMNS);
  return Number.isInteger(columns) && columns > 0 ? columns : DEFAULT_WIDTH;
}

function writeLine(line: string): void {
  write(Deno.stdout, `${line}\n`);
}

function write(sink: { writeSync(bytes: Uint8Array): number }, text: string): void {
  try {
    for (let rest = encoder.encode(text); rest.length > 0;) {
      rest = rest.subarray(sink.writeSync(rest));
    }
  } catch (error) {
    // `trace | head`: whoever read it has enough.
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args, Deno.env.toObject()));
