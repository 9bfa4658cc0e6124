/** The process around `run`, the doctor and its dump: arguments, signals, exit codes. */

import {
  ConfigError,
  isJsonlWanted,
  loadSettings,
  unknownVariables,
} from "../../shared/config/mod.ts";
import { redactText } from "../../shared/telemetry/log/redact.ts";
import { doctor } from "./doctor/doctor.ts";
import { createDump, dumpLines } from "./doctor/dump.ts";
import { watchLauncher } from "./launcher_watch.ts";
import { DOCTOR_HELP, HELP, parseOptions, UsageError } from "./options.ts";
import { readMachine } from "./machine.ts";
import { run } from "./run.ts";
import { Terminal } from "./terminal.ts";

/** Returns the exit code: 0 stopped as asked, 1 failed, 2 wrong arguments or settings. */
export async function main(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const terminal = new Terminal({
    stdout: Deno.stdout,
    stderr: Deno.stderr,
    isJsonl: isJsonlWanted(env),
    isPlain: Boolean(env.NO_COLOR),
  });
  const stop = new AbortController();
  const hurry = new AbortController();
  const onSignal = () => (stop.signal.aborted ? hurry : stop).abort(new Error("Stopped"));
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  watchLauncher(env, onSignal);
  try {
    const options = parseOptions(args);
    if (options.command === "help" || options.command === "doctor help") {
      terminal.say((options.command === "help" ? HELP : DOCTOR_HELP).trimEnd());
      return 0;
    }
    if (options.command === "doctor") return await doctor(env, { ...options, terminal }) ? 0 : 1;
    if (options.command === "dump") {
      const dump = await createDump(env, { args, options });
      if (options.isJson) terminal.say(JSON.stringify(dump, null, 2));
      else for (const line of dumpLines(dump)) terminal.say(line);
      return 0;
    }
    const settings = loadSettings(env);
    for (const name of unknownVariables(env)) {
      terminal.warn(`${name} is set, but Baton has no such variable; is it misspelt?`);
    }
    const machine = await readMachine(env, settings);
    await run(options, {
      machine,
      settings,
      terminal,
      stop: stop.signal,
      hurry: hurry.signal,
    });
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    terminal.warn(redactText(error instanceof Error ? error.message : String(error)));
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
  }
}
