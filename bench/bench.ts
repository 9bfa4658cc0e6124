/** `deno task bench`: measures this checkout beside its peers and prints a report. */

import { benchEngine } from "./engine/engine.ts";
import { type BenchOptions, parseBenchOptions, UsageError } from "./options.ts";
import { PAGES, writePage } from "./page.ts";
import { benchPlane } from "./plane.ts";
import { say } from "./say.ts";
import { benchStart } from "./start.ts";
import { benchTraces } from "./traces.ts";
import { benchTracingOverhead } from "./overhead/tracing_overhead.ts";

const HELP = `Usage: deno task bench [PART…] [--models A,B] [--rounds N] [--out FILE]

Parts (all when none is named):
  start    task start to first token, warm
  engine   prefill, decode and batched decode tokens/s, long contexts, load time and memory, beside
           llama.cpp and ONNX Runtime, on the CPU and on the adapter at hand; the first run
           installs them into the cache and builds llama.cpp, ten minutes and more
  traces   the traces service: spans acknowledged a second, search and trace by id as it grows
  tracing_overhead   what each switch of tracing costs on real models, and the CPU of a span
  plane    everything around the engine: streams on a simulated one, tracing off and fully on

  --models   aliases or paths, default stories15m,smollm2-135m-instruct
  --rounds   interleaved rounds, default 3; 5 of engine, 12 of tracing_overhead
  --devices  cpu, adapter or both for engine, the default
  --decode   the most tokens that engine decodes after a prompt, default 64
  --connections  concurrent streams of plane, default 1,16,64,256
  --kv-bytes     KV bytes of a token of plane, default 8; 23040 as SmolLM2-135M
  --other        another checkout that engine and plane measure beside this one
  --spans    spans in the traces service, default 10000,100000,1000000
  --out      write it all to FILE too, as the page of docs/ that these parts make up:
${
  Object.values(PAGES).map(({ path, parts }) => `             ${path}: ${parts.join(", ")}`).join(
    "\n",
  )
}
`;

const options = optionsOrExit();
const { models, devices, decodeTokens, concurrencies, kvTokenBytes, other, out } = options;
const rounds = (usual: number) => options.rounds ?? usual;

const PARTS: Readonly<Record<string, { title: string; run: () => Promise<string> }>> = {
  start: { title: "Start", run: () => benchStart({ models, rounds: rounds(3) }) },
  engine: {
    title: "Engines",
    run: () => benchEngine({ models, devices, rounds: rounds(5), decodeTokens, other }),
  },
  traces: {
    title: "Traces service",
    run: () => benchTraces({ sizes: options.spans }),
  },
  tracing_overhead: {
    title: "Each switch",
    run: () => benchTracingOverhead({ models, rounds: rounds(12) }),
  },
  plane: {
    title: "Many streams, off and fully on",
    run: () => benchPlane({ rounds: rounds(9), concurrencies, kvTokenBytes, other }),
  },
};

if (options.isHelp) {
  print(HELP);
  Deno.exit(0);
}
const names = options.parts.length > 0 ? options.parts : Object.keys(PARTS);
const unknown = names.filter((name) => !(name in PARTS));
if (unknown.length > 0) refuse(`Cannot measure ${unknown.join(", ")}: --help lists the parts`);
const page = Object.values(PAGES).find(({ parts }) => names.every((name) => parts.includes(name)));
if (out !== undefined && page === undefined) {
  refuse(`Cannot write one page of ${names.join(", ")}: --help says which parts go together`);
}

const sections: string[] = [];
for (const name of names) {
  const part = PARTS[name];
  if (part === undefined) continue;
  const section = `## ${part.title}\n\n${await part.run()}`;
  print(section + "\n");
  sections.push(section);
}
if (out !== undefined && page !== undefined) {
  const command = ["deno task bench", ...Deno.args].join(" ");
  await writePage(out, { page, command, sections });
}

function optionsOrExit(): BenchOptions {
  try {
    return parseBenchOptions(Deno.args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    refuse(error.message);
  }
}

function refuse(problem: string): never {
  say(problem);
  Deno.exit(2);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
