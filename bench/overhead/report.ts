/** The tables of `bench/overhead/tracing_overhead.ts`: each setup beside the first, which is off. */

import type { LoadFigures } from "../stack/load.ts";
import { figure, median, medianInterval } from "../statistics.ts";
import { table } from "../table.ts";

export interface SetupFigures {
  readonly name: string;
  /** Of the same rounds for every setup. */
  readonly rounds: readonly LoadFigures[];
  readonly spansPerStream: number;
}

type Figure = (figures: LoadFigures) => number;

/** What a client sees. */
export function clientTable(
  setups: readonly SetupFigures[],
  tokensPerStream: number,
): string {
  const columns: readonly { readonly name: string; readonly unit: string; readonly of: Figure }[] =
    [
      {
        name: "tokens/s",
        unit: "",
        of: ({ streamsPerSecond }) => streamsPerSecond * tokensPerStream,
      },
      { name: "TTFT", unit: " ms", of: ({ ttftP50Ms }) => ttftP50Ms },
      { name: "ITL p99", unit: " ms", of: ({ itlP99Ms }) => itlP99Ms },
    ];
  return table(
    ["switches", ...columns.flatMap(({ name }) => [name, "× off"])],
    setups.map(({ name, rounds }) => [
      name,
      ...columns.flatMap(({ unit, of }) => [
        `${figure(median(rounds.map(of)))}${unit}`,
        ratioToOff(rounds, setups[0].rounds, of),
      ]),
    ]),
  );
}

/** CPU time of frontend and workers, and of each span what a stream costs more than off. */
export function cpuTable(setups: readonly SetupFigures[], tokensPerStream: number): string {
  const cpu: Figure = (figures) =>
    (figures.frontendUsPerToken + figures.workersUsPerToken) * tokensPerStream;
  const off = setups[0].rounds.map(cpu);
  return table(
    ["switches", "spans a stream", "CPU of a stream", "× off", "CPU of a span"],
    setups.map(({ name, rounds, spansPerStream }) => {
      const extra = rounds.map((figures, round) => cpu(figures) - (off[round] ?? NaN));
      const perSpan = extra.map((us) => us / spansPerStream);
      return [
        name,
        figure(spansPerStream),
        `${figure(median(rounds.map(cpu)))} µs`,
        ratioToOff(rounds, setups[0].rounds, cpu),
        spansPerStream > 0 ? `${withInterval(perSpan, figure)} µs` : "–",
      ];
    }),
  );
}

function ratioToOff(
  rounds: readonly LoadFigures[],
  off: readonly LoadFigures[],
  of: Figure,
): string {
  if (rounds === off) return "1";
  const ratios = rounds.map((figures, round) => of(figures) / of(off[round]));
  return withInterval(ratios, (ratio) => ratio.toFixed(3));
}

function withInterval(values: readonly number[], format: (value: number) => string): string {
  const { low, high } = medianInterval(values);
  return `${format(median(values))} (${format(low)} to ${format(high)})`;
}
