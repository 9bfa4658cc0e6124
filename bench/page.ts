/** The pages of docs/ that `deno task bench --out` writes: how it was measured, then the parts. */

import { cpus, totalmem } from "node:os";
import { figure } from "./statistics.ts";

export interface BenchPage {
  /** Where it belongs. */
  readonly path: string;
  /** Parts of the benchmark that it is made of. */
  readonly parts: readonly string[];
  readonly title: string;
  /** Below the line that says how the page was written. */
  readonly introduction: string;
}

const PERFORMANCE: BenchPage = {
  path: "docs/performance.md",
  parts: ["start", "engine", "traces"],
  title: "Performance",
  introduction: `Compare numbers only within this page: engines take turns within one run, so that a
machine that other work slows down slows all of them. Between machines, drivers and days absolute
numbers differ far more than engines do. Peers run as their packages come from npm, in versions that
\`bench/peers/install_peers.ts\` pins; llama.cpp's own bench program is built from source for this
CPU (\`bench/peers/build_llama_bench.ts\`).`,
};

const OVERHEAD: BenchPage = {
  path: "docs/observability/overhead.md",
  parts: ["tracing_overhead", "plane"],
  title: "What tracing costs",
  introduction: `Compare numbers only within this page: setups take turns within one run.

## What to switch on when

| you want …                               | set                                        | it costs                                                                        |
| ---------------------------------------- | ------------------------------------------ | ------------------------------------------------------------------------------- |
| to explain any request afterwards        | level 1 with export, the default of \`task start\` | a dozen or two spans a request, however long the answer: see “CPU of a span” |
| to see inside one request                | \`tracestate: baton=l:3\` on that request, with \`DYN_TRACE_LEVEL_REMOTE=3\` | nothing for the others                            |
| chunks, template and tokenisation of all | \`DYN_TRACE_LEVEL=2\`                        | a span more for each step of a prompt                                           |
| every step of the engine                 | \`DYN_TRACE_LEVEL=3\`, while you look for something | spans for each token, and time stamps inside the step                    |
| logs that a machine reads                | \`DYN_LOGGING_JSONL=1\`                      | a few lines a request                                                           |
| trees without a collector                | \`DYN_LOGGING_SPAN_EVENTS=1\` too            | two log lines a span; most of the disk                                          |
| less of it all under heavy load          | \`OTEL_TRACES_SAMPLER=parentbased_traceidratio\`, and \`DYN_TRACE_KEEP_SLOWER_THAN\` to keep what ended slow or failed | in proportion |
| nothing                                  | \`OTEL_SDK_DISABLED=true\`                   | ids are still passed on                                                         |

Tracing never waits: spans leave in batches behind the requests, and what a full queue drops is
counted. So what it costs is CPU, and a client notices it only where the CPU is the limit. On a machine
that computes the model on its CPU, that is always; with a GPU, only when the frontend's core is full.`,
};

export const PAGES = { performance: PERFORMANCE, overhead: OVERHEAD } as const;

export interface PageContent {
  readonly page: BenchPage;
  /** What was called, to call it again. */
  readonly command: string;
  readonly sections: readonly string[];
}

/** Writes the whole page, formatted as the repository's pages are. */
export async function writePage(path: string, content: PageContent): Promise<void> {
  const { page: { title, introduction }, command, sections } = content;
  const date = new Date().toISOString().slice(0, 10);
  const head = [
    `# ${title}`,
    `Written by \`${command}\` on ${date}; run it again to replace this page. ${machine()}`,
    introduction,
  ];
  await Deno.writeTextFile(path, await formatted([...head, ...sections].join("\n\n")));
}

function machine(): string {
  const cores = cpus();
  const name = cores[0]?.model.trim() || "unknown CPU";
  return `Machine: ${cores.length} x ${name}, ${figure(totalmem() / 2 ** 30)} GiB, ` +
    `${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}.`;
}

async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--line-width", "100", "--ext", "md", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await ReadableStream.from([new TextEncoder().encode(text)]).pipeTo(child.stdin);
  const { success, stdout } = await child.output();
  if (!success) throw new Error("Cannot format the report: deno fmt failed");
  return new TextDecoder().decode(stdout);
}
