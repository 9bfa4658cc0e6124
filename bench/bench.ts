/** `deno task bench`: measures this checkout beside its peers and prints a report. */

import { parseArgs } from "@std/cli/parse_args.js";
import { benchEngine } from "./engine.ts";
import { benchStart } from "./start.ts";

const HELP = `Usage: deno task bench [PART…] [--models A,B] [--rounds N] [--out FILE]

Parts (all when none is named):
  engine   prefill and decode tokens/s, load time, memory, beside llama.cpp on the same adapter
  start    task start to first token, warm

  --models   aliases or paths, default stories15m,smollm2-135m-instruct
  --rounds   interleaved rounds, default 3
  --prompt   prompt tokens, default 128
  --decode   decoded tokens, default 32
  --out      write the report to FILE too
`;

const args = parseArgs(Deno.args, {
  string: ["models", "rounds", "prompt", "decode", "out"],
  boolean: ["help"],
  default: {
    models: "stories15m,smollm2-135m-instruct",
    rounds: "3",
    prompt: "128",
    decode: "32",
  },
});

const PARTS: Readonly<Record<string, () => Promise<string>>> = {
  engine: () =>
    benchEngine({
      models: args.models.split(","),
      rounds: Number(args.rounds),
      promptTokens: Number(args.prompt),
      decodeTokens: Number(args.decode),
    }),
  start: () => benchStart({ models: args.models.split(","), rounds: Number(args.rounds) }),
};

const names: string[] = args._.length > 0 ? args._.map(String) : Object.keys(PARTS);
const unknown = names.filter((name) => !(name in PARTS));
if (args.help || unknown.length > 0) {
  print(HELP);
  if (unknown.length > 0) print(`Unknown part: ${unknown.join(", ")}\n`);
  Deno.exit(unknown.length > 0 ? 2 : 0);
}

let report = "";
for (const name of names) {
  const part = `## ${name}\n\n${await PARTS[name]?.()}`;
  print(part + "\n");
  report += part + "\n";
}
if (args.out !== undefined) await Deno.writeTextFile(args.out, report);

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
