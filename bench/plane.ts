/**
 * What everything around the engine costs: streams on a simulated engine that takes no time,
 * aggregated and disaggregated, tracing off and fully on, over 1 to 256 connections.
 *
 * All setups run side by side and take turns within a round, so that they share the machine's drift;
 * figures are medians of the rounds, ratios medians of the rounds' own.
 */

import { type LoadFigures, runLoad } from "./stack/load.ts";
import { SIMULATED_MODEL, simulatedEngineEnv } from "./stack/simulated_engine.ts";
import { SpanSink } from "./stack/span_sink.ts";
import { BenchStack, natsProgram } from "./stack/stack.ts";
import { figure, median } from "./statistics.ts";
import { table } from "./table.ts";

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
  readonly stack: BenchStack;
  readonly concurrency: number;
  readonly rounds: LoadFigures[];
}

/** Runs the benchmark and returns its report as Markdown. */
export async function benchPlane(options: PlaneBenchOptions): Promise<string> {
  if (Deno.build.os !== "linux") return "Not measured: it reads CPU times from /proc of Linux.";
  await using open = new AsyncDisposableStack();
  const sink = open.use(new SpanSink());
  const nats = await natsProgram();
  const cells: Cell[] = [];
  for (const setup of setups(options.other)) {
    const flag = setup.isTraced ? "1" : "0";
    const stack = open.use(
      await BenchStack.start({
        ...setup,
        model: SIMULATED_MODEL,
        natsProgram: nats,
        env: {
          ...simulatedEngineEnv(options.kvTokenBytes),
          OTEL_EXPORT_ENABLED: flag,
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: sink.tracesUrl,
          DYN_LOGGING_JSONL: flag,
          DYN_LOGGING_SPAN_EVENTS: flag,
        },
      }),
    );
    await runLoad(stack, { ...WARM_UP, tokensPerStream: TOKENS_PER_STREAM });
    for (const concurrency of options.concurrencies) {
      cells.push({ setup, stack, concurrency, rounds: [] });
    }
  }
  cells.sort((a, b) => a.concurrency - b.concurrency);
  for (let round = 0; round < options.rounds; round++) {
    for (const { stack, concurrency, rounds } of cells) {
      const streams = Math.max(MIN_STREAMS, concurrency * STREAMS_PER_CONNECTION);
      rounds.push(
        await runLoad(stack, { concurrency, streams, tokensPerStream: TOKENS_PER_STREAM }),
      );
    }
  }
  if (sink.spans === 0) throw new Error("Cannot report: the traced setups exported no spans");
  return report(cells, options);
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
    `settings on the same machine. Medians of ${options.rounds} interleaved rounds, after ${WARM_UP.streams} streams. "On" is ` +
    "export, JSON lines and span events. `× off`: median of the rounds' ratios of frontend CPU.",
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
  return figure(
    median(
      cell.rounds.map(({ frontendUsPerToken }, round) =>
        frontendUsPerToken / (off?.rounds[round]?.frontendUsPerToken ?? NaN)
      ),
    ),
  );
}
