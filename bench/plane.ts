/**
 * What everything around the engine costs: streams on a simulated engine that takes no time,
 * aggregated and disaggregated, tracing off and fully on, over 1 to 256 connections.
 *
 * All setups run side by side and take turns within a round, so that they share the machine's drift,
 * and are started several times, since no two processes of one program are equally fast; figures are
 * medians of the rounds, ratios medians of the rounds' own.
 */

import { type LoadFigures, runLoad } from "./stack/load.ts";
import { SIMULATED_MODEL, simulatedEngineEnv } from "./stack/simulated_engine.ts";
import { SpanSink } from "./stack/span_sink.ts";
import { BenchStack, natsProgram } from "./stack/stack.ts";
import { figure, median, medianInterval } from "./statistics.ts";
import { table } from "./table.ts";

export interface PlaneBenchOptions {
  readonly rounds: number;
  readonly concurrencies: readonly number[];
  readonly kvTokenBytes: number;
  /** Another checkout to measure beside this one. */
  readonly other?: string;
}

/** Of every setup. */
const STARTS = 3;
/** Streams of one turn: few enough to take turns often. */
const MIN_STREAMS = 100;
const STREAMS_PER_CONNECTION = 2;
/** A service that has run for a while: the compiler has seen it all. */
const WARM_UP = { concurrency: 64, streams: 1000 };
/** As in the reference system's measurements. */
const TOKENS_PER_STREAM = 64;

/** dynamo_measured, medians: NATS, mocker, 64 tokens, client with immediate ACK; 2 cores. */
const REFERENCE = [
  ["aggregated, off", "217 / 590 / 694", "2.4 / 21 / 67", "36 / 20 / 18", "116-146"],
  ["aggregated, on", "218 / 463 / 501", "2.1 / 27 / 91", "34 / 26 / 26", "123-154"],
  ["disaggregated, off", "174 / 475 / 567", "4.0 / 28 / 90", "46 / 26 / 23", "122-151"],
  ["disaggregated, on", "162 / 363 / 366", "4.4 / 38 / 145", "55 / 37 / 37", "126-155"],
];

interface Setup {
  readonly isDisaggregated: boolean;
  /** Export, JSON lines and span events. */
  readonly isTraced: boolean;
  readonly checkout?: string;
}

interface Cell {
  readonly setup: Setup;
  readonly concurrency: number;
  readonly rounds: LoadFigures[];
}

/** Runs the benchmark and returns its report as Markdown. */
export async function benchPlane(options: PlaneBenchOptions): Promise<string> {
  if (Deno.build.os !== "linux") return "Not measured: it reads CPU times as on Linux.";
  await using open = new AsyncDisposableStack();
  const sink = open.use(new SpanSink());
  const nats = await natsProgram();
  const cells = options.concurrencies.toSorted((a, b) => a - b).flatMap((concurrency) =>
    setups(options.other).map((setup): Cell => ({ setup, concurrency, rounds: [] }))
  );
  for (let start = 0; start < STARTS; start++) {
    const rounds = Math.ceil((options.rounds - start) / STARTS);
    if (rounds > 0) {
      await measureOnce(cells, { ...options, rounds, nats, tracesUrl: sink.tracesUrl });
    }
  }
  if (sink.spans === 0) throw new Error("Cannot report: the traced setups exported no spans");
  return report(cells, options);
}

interface MeasureOptions extends PlaneBenchOptions {
  readonly nats: string;
  readonly tracesUrl: string;
}

/** Starts every setup, and adds the rounds to the cells. */
async function measureOnce(cells: readonly Cell[], options: MeasureOptions): Promise<void> {
  await using open = new AsyncDisposableStack();
  const stacks = new Map<string, BenchStack>();
  for (const { setup } of cells) {
    const name = nameOf(setup);
    if (stacks.has(name)) continue;
    const stack = open.use(await startSetup(setup, options));
    await runLoad(stack, { ...WARM_UP, tokensPerStream: TOKENS_PER_STREAM });
    stacks.set(name, stack);
  }
  for (let round = 0; round < options.rounds; round++) {
    // The other way round every second time: who comes first finds another machine than who follows.
    for (const { setup, concurrency, rounds } of round % 2 === 0 ? cells : cells.toReversed()) {
      const stack = stacks.get(nameOf(setup));
      if (stack === undefined) throw new Error("Cannot load a setup before its start");
      const streams = Math.max(MIN_STREAMS, concurrency * STREAMS_PER_CONNECTION);
      rounds.push(
        await runLoad(stack, { concurrency, streams, tokensPerStream: TOKENS_PER_STREAM }),
      );
    }
  }
}

async function startSetup(setup: Setup, options: MeasureOptions): Promise<BenchStack> {
  const flag = setup.isTraced ? "1" : "0";
  return await BenchStack.start({
    ...setup,
    model: SIMULATED_MODEL,
    natsProgram: options.nats,
    env: {
      ...simulatedEngineEnv(options.kvTokenBytes),
      OTEL_EXPORT_ENABLED: flag,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: options.tracesUrl,
      DYN_LOGGING_JSONL: flag,
      DYN_LOGGING_SPAN_EVENTS: flag,
    },
  });
}

function setups(other: string | undefined): Setup[] {
  return [false, true].flatMap((isDisaggregated) =>
    [false, true].flatMap((isTraced) => [
      { isDisaggregated, isTraced },
      ...(other === undefined ? [] : [{ isDisaggregated, isTraced, checkout: other }]),
    ])
  );
}

function report(cells: readonly Cell[], options: PlaneBenchOptions): string {
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
      nameOf(cell.setup),
      String(cell.concurrency),
      of((f) => f.streamsPerSecond),
      `${of((f) => f.ttftP50Ms)} (${of((f) => f.ttftP99Ms)}) ms`,
      `${of((f) => f.ttftGapP50Ms)} ms`,
      `${of((f) => f.itlP50Ms)} ms`,
      `${of((f) => f.totalP50Ms)} ms`,
      `${of((f) => f.frontendUsPerToken)} µs`,
      ratioToOff(cell, cells),
      `${of((f) => f.workersUsPerToken)} µs`,
      `${of((f) => f.frontendBytes / 2 ** 20)} MiB`,
    ];
  });
  return [
    `Streams of ${TOKENS_PER_STREAM} tokens on a simulated engine without compute time, ` +
    `${options.kvTokenBytes} bytes of KV a token. The client is a raw socket without special ` +
    `settings on the same machine. Medians of ${options.rounds} interleaved rounds over ${STARTS} starts, each after ` +
    `${WARM_UP.streams} streams. "On" is export, JSON lines and span events. \`× off\`: median of ` +
    "the rounds' ratios of frontend CPU, with its 95 % interval. Where it goes: " +
    "[docs/design/2026-11-tracing-cost.md](../design/2026-11-tracing-cost.md).",
    table(head, rows),
    "The reference system on 2 cores, its frontend in Rust, its client with immediate ACK (without, " +
    "its TTFT at one connection is 44 ms), at 1 / 16 / 64 connections. Its on/off ratio of CPU is " +
    "1.35 aggregated and 1.51 disaggregated:",
    table(["setup", "streams/s", "TTFT p50 ms", "frontend CPU µs/token", "RSS MB"], REFERENCE),
  ].join("\n\n");
}

function nameOf({ isDisaggregated, isTraced, checkout }: Setup): string {
  const name = `${isDisaggregated ? "disaggregated" : "aggregated"}, ${isTraced ? "on" : "off"}`;
  return checkout === undefined ? name : `${name} (other checkout)`;
}

function ratioToOff(cell: Cell, cells: readonly Cell[]): string {
  const { isTraced, isDisaggregated, checkout } = cell.setup;
  if (!isTraced) return "–";
  const off = cells.find(({ setup, concurrency }) =>
    !setup.isTraced && setup.isDisaggregated === isDisaggregated && setup.checkout === checkout &&
    concurrency === cell.concurrency
  );
  const ratios = cell.rounds.map(({ frontendUsPerToken }, round) =>
    frontendUsPerToken / (off?.rounds[round]?.frontendUsPerToken ?? NaN)
  );
  const { low, high } = medianInterval(ratios);
  return `${median(ratios).toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}
