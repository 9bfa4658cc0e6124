/**
 * What tracing costs, switch by switch: on real models, what a client sees of it; on the simulated
 * engine, where nothing else takes CPU, the CPU of each span.
 *
 * All setups run side by side and take turns within a round, in an order that turns too. Everything is
 * compared with the setup that is off, in the same round; the intervals are bootstrapped from these
 * ratios.
 */

import { resolveModelFor } from "../shared/weights/sources/mod.ts";
import { type LoadFigures, type LoadOptions, runLoad } from "./stack/load.ts";
import { SIMULATED_MODEL, simulatedEngineEnv } from "./stack/simulated_engine.ts";
import { SpanSink } from "./stack/span_sink.ts";
import { BenchStack, natsProgram, type StackOptions } from "./stack/stack.ts";
import { figure, median, medianInterval } from "./statistics.ts";
import { table } from "./table.ts";

export interface TracingOverheadOptions {
  readonly models: readonly string[];
  readonly rounds: number;
}

interface Switches {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

const JSONL = { DYN_LOGGING_JSONL: "1" };
const SPAN_EVENTS = { ...JSONL, DYN_LOGGING_SPAN_EVENTS: "1" };
const NO_EXPORT = { OTEL_EXPORT_ENABLED: "0" };

const OFF: Switches = { name: "off", env: { OTEL_SDK_DISABLED: "true", ...NO_EXPORT } };
const SETUPS: readonly Switches[] = [
  OFF,
  ...[0, 1, 2, 3].map((level) => ({
    name: `level ${level}`,
    env: { DYN_TRACE_LEVEL: String(level) },
  })),
  { name: "level 1, JSON lines", env: JSONL },
  { name: "level 1, JSON lines, span events", env: SPAN_EVENTS },
  { name: "level 1, the same without export", env: { ...SPAN_EVENTS, ...NO_EXPORT } },
  {
    name: "level 3, JSON lines, span events",
    env: { ...SPAN_EVENTS, DYN_TRACE_LEVEL: "3" },
  },
];

/** Of a turn on a real model: long enough to average over, short enough to take many. */
const TURN_MS = 1500;
const MODEL_STREAM = { concurrency: 1, tokensPerStream: 64 };
/** Few tokens, so that spans are much of what a stream costs. */
const SIMULATED_TURN = { concurrency: 16, streams: 640, tokensPerStream: 8 };
/** A service that has run for a while: the compiler has seen it all. */
const SIMULATED_WARM_UP = { ...SIMULATED_TURN, streams: 2000 };
const KV_TOKEN_BYTES = 8;

/** Runs the benchmark and returns its report as Markdown. */
export async function benchTracingOverhead(options: TracingOverheadOptions): Promise<string> {
  if (Deno.build.os !== "linux") return "Not measured: it reads CPU times from /proc of Linux.";
  const nats = await natsProgram();
  const parts = [
    `“off” is \`OTEL_SDK_DISABLED=true\`; the levels are \`DYN_TRACE_LEVEL\` with export over ` +
    "OTLP/HTTP; JSON lines are `DYN_LOGGING_JSONL`, span events `DYN_LOGGING_SPAN_EVENTS`. Medians " +
    `of ${options.rounds} interleaved rounds; in brackets the 95 % interval of the ratio to “off” in ` +
    "the same round.",
  ];
  for (const alias of options.models) {
    const model = await resolveModelFor(alias, { env: Deno.env.toObject() });
    const measured = await measure({
      stack: { model, natsProgram: nats, env: { DYN_DEVICE: "cpu" } },
      rounds: options.rounds,
      warmUp: { ...MODEL_STREAM, streams: 4 },
      turn: ({ totalP50Ms }) => {
        return { ...MODEL_STREAM, streams: Math.max(1, Math.round(TURN_MS / totalP50Ms)) };
      },
    });
    parts.push(
      `### ${model.name}, on the CPU`,
      `One stream after another, ${MODEL_STREAM.tokensPerStream} tokens each, one worker, as the ` +
        "client sees it:",
      clientTable(measured),
    );
  }
  const simulated = await measure({
    stack: {
      model: SIMULATED_MODEL,
      natsProgram: nats,
      env: simulatedEngineEnv(KV_TOKEN_BYTES),
    },
    rounds: options.rounds,
    warmUp: SIMULATED_WARM_UP,
    turn: () => SIMULATED_TURN,
  });
  parts.push(
    "### CPU of a span",
    `The simulated engine without compute time, ${SIMULATED_TURN.concurrency} streams at once of ` +
      `${SIMULATED_TURN.tokensPerStream} tokens, one worker. CPU time of frontend and worker ` +
      "together; the CPU of a span is what a stream costs more than “off”, over its spans, with " +
      "everything that they bring: ids, attributes, log lines, export.",
    cpuTable(simulated),
  );
  return parts.join("\n\n") + "\n";
}

interface MeasureOptions {
  readonly stack: Omit<StackOptions, "isDisaggregated">;
  readonly rounds: number;
  readonly warmUp: LoadOptions;
  /** @param warm what the setup that is off did when it was warm */
  readonly turn: (warm: LoadFigures) => LoadOptions;
}

interface Measured {
  readonly switches: Switches;
  readonly rounds: readonly LoadFigures[];
  readonly spansPerStream: number;
}

async function measure(options: MeasureOptions): Promise<Measured[]> {
  await using sinks = new AsyncDisposableStack();
  const setups = SETUPS.map((switches) => new Setup(switches, sinks.use(new SpanSink())));
  {
    await using stacks = new AsyncDisposableStack();
    for (const setup of setups) {
      stacks.use(await setup.start(options.stack));
      await setup.load(options.warmUp);
    }
    const turn = options.turn(await setups[0].load(options.warmUp));
    for (let round = 0; round < options.rounds; round++) {
      const ordered = [
        ...setups.slice(round % setups.length),
        ...setups.slice(0, round % setups.length),
      ];
      for (const setup of ordered) setup.rounds.push(await setup.load(turn));
    }
  }
  // The services have ended, so that all spans are there.
  return setups;
}

/** A stack with its switches set, and what it has done. */
class Setup implements Measured {
  readonly switches: Switches;
  readonly rounds: LoadFigures[] = [];
  readonly #sink: SpanSink;
  #stack: BenchStack | null = null;
  #streams = 0;

  constructor(switches: Switches, sink: SpanSink) {
    this.switches = switches;
    this.#sink = sink;
  }

  get spansPerStream(): number {
    return this.#sink.spans / this.#streams;
  }

  async start(options: MeasureOptions["stack"]): Promise<BenchStack> {
    return this.#stack = await BenchStack.start({
      ...options,
      isDisaggregated: false,
      env: {
        ...options.env,
        OTEL_EXPORT_ENABLED: "1",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: this.#sink.tracesUrl,
        DYN_LOGGING_JSONL: "0",
        DYN_LOGGING_SPAN_EVENTS: "0",
        ...this.switches.env,
      },
    });
  }

  async load(options: LoadOptions): Promise<LoadFigures> {
    if (this.#stack === null) throw new Error("Cannot load a setup before its start");
    this.#streams += options.streams;
    return await runLoad(this.#stack, options);
  }
}

type Figure = (figures: LoadFigures) => number;

function clientTable(measured: readonly Measured[]): string {
  const columns: readonly { readonly name: string; readonly unit: string; readonly of: Figure }[] =
    [
      {
        name: "tokens/s",
        unit: "",
        of: ({ streamsPerSecond }) => streamsPerSecond * MODEL_STREAM.tokensPerStream,
      },
      { name: "TTFT", unit: " ms", of: ({ ttftP50Ms }) => ttftP50Ms },
      { name: "ITL p99", unit: " ms", of: ({ itlP99Ms }) => itlP99Ms },
    ];
  return table(
    ["switches", ...columns.flatMap(({ name }) => [name, "× off"])],
    measured.map(({ switches, rounds }) => [
      switches.name,
      ...columns.flatMap(({ unit, of }) => [
        `${figure(median(rounds.map(of)))}${unit}`,
        ratioToOff(rounds, measured, of),
      ]),
    ]),
  );
}

function cpuTable(measured: readonly Measured[]): string {
  const perStream = SIMULATED_TURN.tokensPerStream;
  const cpu: Figure = (figures) =>
    (figures.frontendUsPerToken + figures.workersUsPerToken) * perStream;
  const off = roundsOff(measured).map(cpu);
  return table(
    ["switches", "spans a stream", "CPU of a stream", "× off", "CPU of a span"],
    measured.map(({ switches, rounds, spansPerStream }) => {
      const extra = rounds.map((figures, round) => cpu(figures) - (off[round] ?? NaN));
      const perSpan = extra.map((us) => us / spansPerStream);
      const hasSpans = switches !== OFF && spansPerStream > 0;
      return [
        switches.name,
        figure(spansPerStream),
        `${figure(median(rounds.map(cpu)))} µs`,
        ratioToOff(rounds, measured, cpu),
        hasSpans ? `${withInterval(perSpan, figure)} µs` : "–",
      ];
    }),
  );
}

function ratioToOff(
  rounds: readonly LoadFigures[],
  measured: readonly Measured[],
  of: Figure,
): string {
  const off = roundsOff(measured);
  if (rounds === off) return "1";
  const ratios = rounds.map((figures, round) => of(figures) / (off[round] ? of(off[round]) : NaN));
  return withInterval(ratios, (ratio) => ratio.toFixed(3));
}

function roundsOff(measured: readonly Measured[]): readonly LoadFigures[] {
  return measured.find(({ switches }) => switches === OFF)?.rounds ?? [];
}

function withInterval(values: readonly number[], format: (value: number) => string): string {
  const { low, high } = medianInterval(values);
  return `${format(median(values))} (${format(low)} to ${format(high)})`;
}
