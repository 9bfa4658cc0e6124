/**
 * What everything around the engine costs: streams on a simulated engine that takes no time,
 * aggregated and disaggregated, tracing off and fully on, over 1 to 256 connections.
 *
 * All setups run side by side and take turns within a round, so that they share the machine's drift;
 * figures are medians of the rounds, ratios medians of the rounds' own.
 */

import { cacheDirectory, readRegistries } from "../shared/download/mod.ts";
import { ensureNatsServer } from "../shared/provision/mod.ts";
import { type LoadFigures, runLoad, TOKENS_PER_STREAM } from "./plane/load.ts";
import { PlaneStack, type StackSetup } from "./plane/stack.ts";
import { figure, median } from "./statistics.ts";

export interface PlaneBenchOptions {
  readonly rounds: number;
  readonly concurrencies: readonly number[];
  readonly kvTokenBytes: number;
  /** Another checkout to measure beside this one. */
  readonly other?: string;
}

/** Streams of one turn: enough for the 10 ms steps of /proc, few enough to take turns often. */
const MIN_STREAMS = 100;
const STREAMS_PER_CONNECTION = 2;
/** A service that has run for a while: the compiler has seen it all. */
const WARM_UP = { concurrency: 64, streams: 1000 };

/** dynamo_measured, medians: NATS, mocker, 64 tokens, client with immediate ACK; 2 cores. */
const REFERENCE = [
  ["aggregated, off", "217 / 590 / 694", "2.4 / 21 / 67", "36 / 20 / 18", "116-146"],
  ["aggregated, on", "218 / 463 / 501", "2.1 / 27 / 91", "34 / 26 / 26", "123-154"],
  ["disaggregated, off", "174 / 475 / 567", "4.0 / 28 / 90", "46 / 26 / 23", "122-151"],
  ["disaggregated, on", "162 / 363 / 366", "4.4 / 38 / 145", "55 / 37 / 37", "126-155"],
];

interface Cell {
  readonly stack: PlaneStack;
  readonly concurrency: number;
  readonly rounds: LoadFigures[];
}

/** Runs the benchmark and returns its report as Markdown. */
export async function benchPlane(options: PlaneBenchOptions): Promise<string> {
  if (Deno.build.os !== "linux") return "Not measured: it reads CPU times from /proc of Linux.";
  await using open = new AsyncDisposableStack();
  const sink = open.use(startSink());
  const { os, arch } = Deno.build;
  const env = Deno.env.toObject();
  const nats = await ensureNatsServer({
    os,
    arch,
    cacheDir: cacheDirectory({ os, env, override: env.DYN_CACHE_DIR ?? "" }),
    registries: await readRegistries(env),
  });
  const cells: Cell[] = [];
  for (const setup of setups(options.other)) {
    const stack = open.use(
      await PlaneStack.start({
        ...setup,
        natsProgram: nats.path,
        tracesUrl: sink.url,
        kvTokenBytes: options.kvTokenBytes,
      }),
    );
    for (const concurrency of options.concurrencies) cells.push({ stack, concurrency, rounds: [] });
  }
  for (const stack of new Set(cells.map((cell) => cell.stack))) await runLoad(stack, WARM_UP);
  cells.sort((a, b) => a.concurrency - b.concurrency);
  for (let round = 0; round < options.rounds; round++) {
    for (const { stack, concurrency, rounds } of cells) {
      const streams = Math.max(MIN_STREAMS, concurrency * STREAMS_PER_CONNECTION);
      rounds.push(await runLoad(stack, { concurrency, streams }));
    }
  }
  return report(cells, options, sink.bytes);
}

function setups(other: string | undefined): StackSetup[] {
  return [false, true].flatMap((isDisaggregated) =>
    [false, true].flatMap((isTraced) => [
      { isDisaggregated, isTraced },
      ...(other === undefined ? [] : [{ isDisaggregated, isTraced, checkout: other }]),
    ])
  );
}

/** Takes spans and throws them away. */
function startSink(): AsyncDisposable & { readonly url: string; readonly bytes: number } {
  let bytes = 0;
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      bytes += (await request.arrayBuffer()).byteLength;
      const type = request.headers.get("content-type") ?? "";
      return new Response(type.includes("json") ? "{}" : null, {
        headers: { "content-type": type },
      });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/v1/traces`,
    get bytes() {
      return bytes;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function report(cells: readonly Cell[], options: PlaneBenchOptions, spanBytes: number): string {
  if (spanBytes === 0) throw new Error("Cannot report: the traced setups exported no spans");
  const head = [
    "setup",
    "connections",
    "streams/s",
    "TTFT p50 (p99)",
    "less own TTFT",
    "ITL p50",
    "total p50",
    "frontend CPU/token",
    "× off",
    "workers CPU/token",
    "RSS",
  ];
  const rows = cells.map((cell) => {
    const of = (pick: (figures: LoadFigures) => number) => figure(median(cell.rounds.map(pick)));
    return [
      nameOf(cell.stack.setup),
      String(cell.concurrency),
      of((f) => f.streamsPerSecond),
      `${of((f) => f.ttftP50Ms)} (${of((f) => f.ttftP99Ms)}) ms`,
      `${of((f) => f.ttftGapP50Ms)} ms`,
      `${of((f) => f.itlP50Ms)} ms`,
      `${of((f) => f.totalP50Ms)} ms`,
      `${of((f) => f.frontendUsPerToken)} µs`,
      ratioToOff(cell, cells),
      `${of((f) => f.workersUsPerToken)} µs`,
      `${of((f) => f.frontendMegabytes)} MiB`,
    ];
  });
  return [
    `Streams of ${TOKENS_PER_STREAM} tokens on a simulated engine without compute time, ` +
    `${options.kvTokenBytes} bytes of KV a token. The client is a raw socket without special ` +
    `settings on the same machine. Medians of ${options.rounds} interleaved rounds, after ${WARM_UP.streams} streams. "On" is ` +
    "export, JSON lines and span events. `× off`: median of the rounds' ratios of frontend CPU.",
    table(head, rows),
    "The reference system on 2 cores, its frontend in Rust, its client with immediate ACK (without, " +
    "its TTFT at one connection is 44 ms), at 1 / 16 / 64 connections. Its on/off ratio of CPU is " +
    "1.35 aggregated and 1.51 disaggregated:",
    table(["setup", "streams/s", "TTFT p50 ms", "frontend CPU µs/token", "RSS MB"], REFERENCE),
  ].join("\n\n");
}

function nameOf({ isDisaggregated, isTraced, checkout }: StackSetup): string {
  const name = `${isDisaggregated ? "disaggregated" : "aggregated"}, ${isTraced ? "on" : "off"}`;
  return checkout === undefined ? name : `${name} (other checkout)`;
}

function ratioToOff(cell: Cell, cells: readonly Cell[]): string {
  const { isTraced, isDisaggregated, checkout } = cell.stack.setup;
  if (!isTraced) return "–";
  const off = cells.find(({ stack: { setup }, concurrency }) =>
    !setup.isTraced && setup.isDisaggregated === isDisaggregated && setup.checkout === checkout &&
    concurrency === cell.concurrency
  );
  return figure(
    median(
      cell.rounds.map(({ frontendUsPerToken }, round) =>
        frontendUsPerToken / (off?.rounds[round]?.frontendUsPerToken ?? NaN)
      ),
    ),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}
