/** What the command line of `deno task bench` may say. */

import { parseArgs } from "@std/cli/parse_args.js";

const DEVICES = ["cpu", "adapter"] as const;

export interface BenchOptions {
  readonly isHelp: boolean;
  /** Empty: all. */
  readonly parts: readonly string[];
  readonly models: readonly string[];
  readonly devices: readonly (typeof DEVICES)[number][];
  /** Absent: what is usual for each part. */
  readonly rounds?: number;
  readonly decodeTokens: number;
  readonly concurrencies: readonly number[];
  readonly kvTokenBytes: number;
  readonly spans: readonly number[];
  readonly other?: string;
  readonly out?: string;
}

/** A wrong command line. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Parses the arguments after the script's name. Throws a UsageError. */
export function parseBenchOptions(args: readonly string[]): BenchOptions {
  const given: Record<string, unknown> = parseArgs([...args], {
    string: [
      "models",
      "rounds",
      "devices",
      "decode",
      "connections",
      "kv-bytes",
      "spans",
      "other",
      "out",
    ],
    boolean: ["help"],
    alias: { help: "h" },
    unknown: refuseUnknown,
  });
  const text = (name: string) => textOf(name, given[name]);
  const list = (name: string, usual: string) => (text(name) ?? usual).split(",");
  const counts = (name: string, usual: string) =>
    list(name, usual).map((item) => count(name, item));
  const rounds = text("rounds");
  const other = text("other");
  const out = text("out");
  return {
    isHelp: given.help === true,
    parts: Array.isArray(given._) ? given._.map(String) : [],
    models: list("models", "stories15m,smollm2-135m-instruct"),
    devices: list("devices", "cpu,adapter").map(device),
    ...(rounds === undefined ? {} : { rounds: count("rounds", rounds) }),
    decodeTokens: count("decode", text("decode") ?? "64"),
    concurrencies: counts("connections", "1,16,64,256"),
    kvTokenBytes: count("kv-bytes", text("kv-bytes") ?? "8"),
    spans: counts("spans", "10000,100000,1000000"),
    ...(other === undefined ? {} : { other }),
    ...(out === undefined ? {} : { out }),
  };
}

function refuseUnknown(argument: string): boolean {
  if (!argument.startsWith("-")) return true;
  throw new UsageError(`Cannot use ${argument}: no such option; see --help`);
}

function textOf(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw new UsageError(`Cannot use --${name}: it needs a value`);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new UsageError(`Cannot use --${name} "${text}": use whole numbers from 1 on`);
}

function device(text: string): BenchOptions["devices"][number] {
  const found = DEVICES.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UsageError(`Cannot use --devices "${text}": use ${DEVICES.join(", ")} or both`);
}
