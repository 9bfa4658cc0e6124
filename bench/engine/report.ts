/** The report of `bench/engine` as Markdown: a head, then a section for each model. */

import { figure } from "../statistics.ts";
import { table } from "../table.ts";
import { CONTEXT_TOKENS, type EngineCase, type EngineCases, type Speed } from "./cases.ts";
import type { PeerStart } from "./peer_process.ts";
import type { EnginePeer, PeerDevice } from "./peers.ts";

export interface PeerFigures {
  readonly peer: EnginePeer;
  /** Null for an engine that starts anew for each run. */
  readonly start: PeerStart | null;
  /** From the start of the process. */
  readonly firstTokenMs: number;
  readonly peakBytes: number;
  /** Medians by case; without those that would take too long. */
  readonly speeds: ReadonlyMap<EngineCase, Speed>;
  /** Leading tokens of the check text that equal those of the first engine; null where not told. */
  readonly sameTokens: number | null;
}

/** Bytes a second: what the CPU reads, what the adapter reads and writes in copying. */
export type Bandwidths = Readonly<Record<PeerDevice, number>>;

export interface HeadOptions {
  /** Null where none is measured. */
  readonly adapter: string | null;
  readonly bandwidths: Bandwidths;
  readonly rounds: number;
  readonly decodeTokens: number;
}

/** What was done and how to read it. */
export function engineHead({ adapter, bandwidths, rounds, decodeTokens }: HeadOptions): string {
  const cores = navigator.hardwareConcurrency;
  return [
    `On the CPU with ${cores} threads${
      adapter === null ? "" : `, and on the adapter ${adapter}`
    }. ` +
    "Every engine is loaded once, in a process of its own (llama.cpp's own bench program loads for " +
    `each run), and decodes greedily: up to ${decodeTokens} tokens after each prompt, slow engines ` +
    `fewer. Runs take turns; medians of up to ${rounds}, of fewer where a run takes seconds; “–” ` +
    "where one would take over a minute, or the engine cannot.",
    "“Baton / it” is Baton's speed on the same device as a multiple of that engine's. “Of the floor” is " +
    "decode beside what memory allows when each token reads every weight once, in the file's own types: " +
    `the CPU reads ${figure(bandwidths.cpu / 1e9)} GB/s` +
    (adapter === null
      ? "."
      : `, the adapter copies ${figure(bandwidths.adapter / 1e9)} GB/s (read + write).`),
  ].join("\n\n");
}

export interface SectionOptions {
  /** Weights that a decoded token reads. */
  readonly weightBytes: number;
  readonly bandwidths: Bandwidths;
  readonly cases: EngineCases;
  readonly contextLength: number;
  readonly checkTokens: number;
}

/** @param figures for each device Baton's before its peers' */
export function engineSection(
  model: string,
  figures: readonly PeerFigures[],
  options: SectionOptions,
): string {
  const { weightBytes, bandwidths } = options;
  return [
    `### ${model}`,
    `${figure(weightBytes / 1e6)} MB of weights a token: memory allows ` +
    `${figure(bandwidths.cpu / weightBytes)} tokens/s on the CPU${onAdapter(figures, options)}`,
    "**One sequence**, tokens/s:",
    shortTable(figures, options),
    "**Several sequences**, tokens/s of all together, and as a multiple of what one alone gets:",
    batchTable(figures, options),
    longTitle(options),
    longTable(figures, options),
    `**Start and memory.** The first token is that of a short prompt, from the start of the ` +
    `process. The text that an engine writes shows that it computes this model:`,
    startTable(figures, options),
  ].join("\n\n");
}

/** The rest of that sentence, and how much the CPU brings over the adapter. */
function onAdapter(
  figures: readonly PeerFigures[],
  { cases, weightBytes, bandwidths }: SectionOptions,
): string {
  const [cpu, adapter] = (["cpu", "adapter"] as const).map((device) =>
    figures.find(({ peer }) => peer.device === device)
  );
  if (adapter === undefined) return ".";
  const allowed = ` and ${figure(bandwidths.adapter / weightBytes)} on the adapter.`;
  if (cpu === undefined) return allowed;
  const ratio = speedAt(cpu, cases.short).decode / speedAt(adapter, cases.short).decode;
  return `${allowed} Baton decodes ${figure(ratio)} times as fast on the CPU as on this adapter.`;
}

function shortTable(
  figures: readonly PeerFigures[],
  { cases, weightBytes, bandwidths }: SectionOptions,
): string {
  const { short } = cases;
  return table(
    [
      "engine",
      `prefill of ${short.promptTokens}`,
      "Baton / it",
      "decode",
      "Baton / it",
      "of the floor",
    ],
    figures.map((row) => {
      const { prefill, decode } = speedAt(row, short);
      const floor = bandwidths[row.peer.device] / weightBytes;
      return [
        row.peer.name,
        figure(prefill),
        batonOver(row, figures, (each) => speedAt(each, short).prefill),
        figure(decode),
        batonOver(row, figures, (each) => speedAt(each, short).decode),
        row.peer.hasFileTypes ? `${figure(decode / floor * 100)} %` : "–",
      ];
    }),
  );
}

function batchTable(figures: readonly PeerFigures[], { cases }: SectionOptions): string {
  const { short, batches } = cases;
  const rows = figures.filter(({ speeds }) => batches.some((each) => speeds.has(each)));
  return table(
    ["engine", "1", ...batches.flatMap(({ sequences }) => [String(sequences), "Baton / it"])],
    rows.map((row) => {
      const { decode: alone } = speedAt(row, short);
      return [
        row.peer.name,
        figure(alone),
        ...batches.flatMap((batch) => {
          const { decode } = speedAt(row, batch);
          const cell = row.speeds.has(batch)
            ? `${figure(decode)} (${figure(decode / alone)}x)`
            : "–";
          return [cell, batonOver(row, figures, (each) => speedAt(each, batch).decode)];
        }),
      ];
    }),
  );
}

function longTitle({ cases, contextLength }: SectionOptions): string {
  const title = `**Long prompts and contexts**, tokens/s`;
  if (cases.longest !== null) return `${title}:`;
  return `${title}. This model's context ends at ${contextLength} positions:`;
}

function longTable(figures: readonly PeerFigures[], { cases }: SectionOptions): string {
  const { long, longest } = cases;
  const rows = figures.filter(({ speeds }) => speeds.has(long));
  const columns: { name: string; of: (row: PeerFigures) => number }[] = [
    { name: `prefill of ${count(long.promptTokens)}`, of: (row) => speedAt(row, long).prefill },
    { name: "decode after it", of: (row) => speedAt(row, long).decode },
  ];
  if (longest !== null) {
    columns.push({
      name: `decode up to position ${count(CONTEXT_TOKENS)}`,
      of: (row) => speedAt(row, longest).decode,
    });
  }
  return table(
    ["engine", ...columns.flatMap(({ name }) => [name, "Baton / it"])],
    rows.map((row) => [
      row.peer.name,
      ...columns.flatMap(({ of }) => [figure(of(row)), batonOver(row, figures, of)]),
    ]),
  );
}

function startTable(figures: readonly PeerFigures[], { checkTokens }: SectionOptions): string {
  const rows = figures.map((row) => [
    row.peer.name,
    row.peer.weights,
    seconds(row.start?.loadMs ?? NaN),
    seconds(row.firstTokenMs),
    mebibytes(row.start?.loadedBytes ?? NaN),
    mebibytes(row.peakBytes),
    row.sameTokens === null ? "–" : `${row.sameTokens} of ${checkTokens}`,
  ]);
  return table(
    [
      "engine",
      "weights",
      "load",
      "start → first token",
      "RSS loaded, MiB",
      "RSS peak, MiB",
      "first tokens as the first engine",
    ],
    rows,
  );
}

function speedAt({ speeds }: PeerFigures, each: EngineCase): Speed {
  return speeds.get(each) ?? { prefill: NaN, decode: NaN };
}

function batonOver(
  row: PeerFigures,
  figures: readonly PeerFigures[],
  of: (row: PeerFigures) => number,
): string {
  const baton = figures.find(({ peer }) => peer.device === row.peer.device) ?? row;
  return figure(of(baton) / of(row));
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? "–" : `${figure(ms / 1e3)} s`;
}

function mebibytes(bytes: number): string {
  return figure(bytes / 2 ** 20);
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
