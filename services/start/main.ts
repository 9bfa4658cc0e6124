/**
 * The process around `run`, the doctor and its dump: arguments, signals, exit codes.
 *
 * The doctor is loaded only where it is asked for: a start need not wait for it.
 */

import {
  ConfigError,
  isJsonlWanted,
  loadSettings,
  unknownVariables,
} from "../../shared/config/mod.ts";
import { watchLauncher } from "./launcher_watch.ts";
import { DOCTOR_HELP, HELP, parseOptions, type StartOptions, UsageError } from "./options.ts";
import { readMachine } from "./machine.ts";
import { run } from "./run.ts";
import { Terminal } from "./terminal.ts";

type Environment = Readonly<Record<string, string>>;

/** Returns the exit code: 0 stopped as asked, 1 failed, 2 wrong arguments or settings. */
export async function main(args: readonly string[], env: Environment): Promise<number> {
  const terminal = new Terminal({
    stdout: Deno.stdout,
    stderr: Deno.stderr,
    isJsonl: isJsonlWanted(env),
    isPlain: Boolean(env.NO_COLOR),
  });
  try {
    const options = parseOptions(args);
    switch (options.command) {
      case "help":
        terminal.say(HELP.trimEnd());
        return 0;
      case "doctor help":
        terminal.say(DOCTOR_HELP.trimEnd());
        return 0;
      case "doctor":
        return await (await import("./doctor/doctor.ts")).doctor(env, { ...options, terminal })
          ? 0
          : 1;
      case "dump":
        await dump(env, { args, options, terminal });
        return 0;
      case "run":
        await runUntilStopped(env, options, terminal);
        return 0;
    }
  } catch (error) {
    terminal.warn(error instanceof Error ? error.message : String(error));
    return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
  }
}

interface DumpRequest {
  readonly args: readonly string[];
  readonly options: StartOptions;
  readonly terminal: Terminal;
}

async function dump(env: Environment, { args, options, terminal }: DumpRequest): Promise<void> {
  const { createDump, dumpLines } = await import("./doctor/dump.ts");
  const found = await createDump(env, { args, options });
  const lines = options.isJson ? [JSON.stringify(found, null, 2)] : dumpLines(found);
  for (const line of lines) terminal.say(line);
}

/** Resolves when a signal stopped it; throws why it could not start or go on. */
async function runUntilStopped(
  env: Environment,
  options: StartOptions,
  terminal: Terminal,
): Promise<void> {
  const stop = new AbortController();
  const hurry = new AbortController();
  const onSignal = () => (stop.signal.aborted ? hurry : stop).abort(new Error("Stopped"));
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  watchLauncher(env, onSignal);
  try {
    const settings = loadSettings(env);
    for (const name of unknownVariables(env)) {
      terminal.warn(`${name} is set, but Baton has no such variable; is it misspelt?`);
    }
    const machine = await readMachine(env, settings);
    await run(options, { machine, settings, terminal, stop: stop.signal, hurry: hurry.signal });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}
