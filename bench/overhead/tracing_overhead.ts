/**
 * What tracing costs, switch by switch: on real models, what a client sees of it; on the simulated
 * engine, where nothing else takes CPU, the CPU of each span.
 *
 * All setups run side by side and take turns within a round, in an order that turns too. They start
 * several times, since one process may be luckier than another. Everything is compared with the setup
 * that is off, in the same round; the intervals are bootstrapped from these ratios.
 */

import { resolveModelFor } from "../../shared/weights/sources/mod.ts";
import { type LoadFigures, type LoadOptions, runLoad } from "../stack/load.ts";
import { SIMULATED_MODEL, simulatedEngineEnv } from "../stack/simulated_engine.ts";
import { SpanSink } from "../stack/span_sink.ts";
import { BenchStack, natsProgram, type StackOptions } from "../stack/stack.ts";
import { clientTable, cpuTable, type SetupFigures } from "./report.ts";

export interface TracingOverheadOptions {
  readonly models: readonly string[];
  /** Of all starts together. */
  readonly rounds: number;
}

/** How often the services start anew: processes of one program differ more than rounds of one. */
const STARTS = 6;

interface Switches {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
}

const JSONL = { DYN_LOGGING_JSONL: "1" };
const SPAN_EVENTS = { ...JSONL, DYN_LOGGING_SPAN_EVENTS: "1" };
const NO_EXPORT = { OTEL_EXPORT_ENABLED: "0" };

/** The first is what the others are compared with. */
const SETUPS: readonly Switches[] = [
  { name: "off", env: { OTEL_SDK_DISABLED: "true", ...NO_EXPORT } },
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
const TURN_MS = 1000;
const MODEL_STREAM = { concurrency: 1, tokensPerStream: 64 };
/** Few tokens, so that spans are much of what a stream costs. */
const SIMULATED_TURN = { concurrency: 16, streams: 640, tokensPerStream: 8 };
/** A service that has run for a while: the compiler has seen it all. */
const SIMULATED_WARM_UP = { ...SIMULATED_TURN, streams: 2000 };
const KV_TOKEN_BYTES = 8;

/** Runs the benchmark and returns its report as Markdown. */
export async function benchTracingOverhead(options: TracingOverheadOptions): Promise<string> {
  if (Deno.build.os !== "linux") return "Not measured: it reads CPU times as on Linux.";
  const nats = await natsProgram();
  const parts = [
    `“off” is \`OTEL_SDK_DISABLED=true\`; the levels are \`DYN_TRACE_LEVEL\` with export over ` +
    "OTLP/HTTP; JSON lines are `DYN_LOGGING_JSONL`, span events `DYN_LOGGING_SPAN_EVENTS`. Medians " +
    `of ${options.rounds} interleaved rounds over ${STARTS} starts; in brackets the 95 % interval of the ratio to “off” in ` +
    "the same round.",
  ];
  for (const alias of options.models) {
    const model = await resolveModelFor(alias, { env: Deno.env.toObject() });
    const measured = await measure({
      stack: { model, natsProgram: nats, env: { DYN_DEVICE: "cpu", DYN_KV_CACHE_TOKENS: "1024" } },
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
      clientTable(measured, MODEL_STREAM.tokensPerStream),
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
    cpuTable(simulated, SIMULATED_TURN.tokensPerStream),
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

async function measure(options: MeasureOptions): Promise<SetupFigures[]> {
  await using sinks = new AsyncDisposableStack();
  const setups = SETUPS.map((switches) => new Setup(switches, sinks.use(new SpanSink())));
  for (let start = 0; start < STARTS; start++) {
    const rounds = Math.ceil((options.rounds - start) / STARTS);
    if (rounds > 0) await measureOnce(setups, { ...options, rounds });
  }
  // The services have ended, so that all spans are there.
  return setups;
}

async function measureOnce(setups: readonly Setup[], options: MeasureOptions): Promise<void> {
  await using stacks = new AsyncDisposableStack();
  const warm: LoadFigures[] = [];
  for (const setup of setups) {
    stacks.use(await setup.start(options.stack));
    warm.push(await setup.load(options.warmUp));
  }
  const turn = options.turn(warm[0]);
  for (let round = 0; round <= options.rounds; round++) {
    const first = round % setups.length;
    for (const setup of [...setups.slice(first), ...setups.slice(0, first)]) {
      const figures = await setup.load(turn);
      // The first round warms up too: every setup has done the same when it counts.
      if (round > 0) setup.rounds.push(figures);
    }
  }
}

/** A stack with its switches set, and what it has done. */
class Setup implements SetupFigures {
  readonly rounds: LoadFigures[] = [];
  readonly #switches: Switches;
  readonly #sink: SpanSink;
  #stack: BenchStack | null = null;
  #streams = 0;

  constructor(switches: Switches, sink: SpanSink) {
    this.#switches = switches;
    this.#sink = sink;
  }

  get name(): string {
    return this.#switches.name;
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
        ...this.#switches.env,
      },
    });
  }

  async load(options: LoadOptions): Promise<LoadFigures> {
    if (this.#stack === null) throw new Error("Cannot load a setup before its start");
    this.#streams += options.streams;
    return await runLoad(this.#stack, options);
  }
}
