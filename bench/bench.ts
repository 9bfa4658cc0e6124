/** `deno task bench`: measures this checkout beside its peers and prints a report. */

import { parseArgs } from "@std/cli/parse_args.js";
import { benchEngine } from "./engine.ts";
import { performancePage } from "./page.ts";
import { benchPlane } from "./plane.ts";
import { benchStart } from "./start.ts";
import { benchTraces } from "./traces.ts";

const HELP = `Usage: deno task bench [PART…] [--models A,B] [--rounds N] [--out FILE]

Parts (all when none is named):
  engine   prefill, decode and batched decode tokens/s, load time and memory, beside llama.cpp and
           ONNX Runtime Web on the same adapter
  plane    everything around the engine: streams on a simulated one, tracing off and fully on
  start    task start to first token, warm
  traces   the traces service: spans acknowledged a second, search and trace by id as it grows

  --models   aliases or paths, default stories15m,smollm2-135m-instruct
  --rounds   interleaved rounds, default 3
  --prompt   prompt tokens, default 128
  --decode   decoded tokens, default 32
  --connections  concurrent streams of plane, default 1,16,64,256
  --kv-bytes     KV bytes of a token of plane, default 8; 23040 as SmolLM2-135M
  --other        another checkout that plane measures beside this one
  --spans    spans in the traces service, default 10000,100000,1000000
  --out      write it all to FILE too, as a page that says how it was measured
`;

const args = parseArgs(Deno.args, {
  string: [
    "models",
    "rounds",
    "prompt",
    "decode",
    "spans",
    "out",
    "connections",
    "kv-bytes",
    "other",
  ],
  boolean: ["help"],
  default: {
    models: "stories15m,smollm2-135m-instruct",
    rounds: "3",
    prompt: "128",
    decode: "32",
    connections: "1,16,64,256",
    "kv-bytes": "8",
    spans: "10000,100000,1000000",
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
  plane: () =>
    benchPlane({
      rounds: Number(args.rounds),
      concurrencies: args.connections.split(",").map(Number),
      kvTokenBytes: Number(args["kv-bytes"]),
      other: args.other,
    }),
  start: () => benchStart({ models: args.models.split(","), rounds: Number(args.rounds) }),
  traces: () => benchTraces({ sizes: args.spans.split(",").map(Number) }),
};

const names: string[] = args._.length > 0 ? args._.map(String) : Object.keys(PARTS);
const unknown = names.filter((name) => !(name in PARTS));
if (args.help || unknown.length > 0) {
  print(HELP);
  if (unknown.length > 0) print(`Unknown part: ${unknown.join(", ")}\n`);
  Deno.exit(unknown.length > 0 ? 2 : 0);
}

const parts: string[] = [];
for (const name of names) {
  const part = `## ${name}\n\n${await PARTS[name]?.()}`;
  print(part + "\n");
  parts.push(part);
}
if (args.out !== undefined) {
  const command = ["deno task bench", ...Deno.args].join(" ");
  await Deno.writeTextFile(args.out, await performancePage({ command, parts }));
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
