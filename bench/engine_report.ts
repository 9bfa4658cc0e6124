/** The report of `bench/engine.ts` on one model, as Markdown. */

import type { EnginePeer } from "./engine_peers.ts";
import { figure } from "./statistics.ts";

export interface PeerFigures {
  readonly peer: EnginePeer;
  readonly loadMs: number;
  readonly peakBytes: number | null;
  /** Tokens/s. */
  readonly prefill: number;
  /** Tokens/s of all sequences together, by their number. */
  readonly decode: ReadonlyMap<number, number>;
  /** Leading tokens of the check text that equal those of the first engine. */
  readonly sameTokens: number;
}

export interface SectionOptions {
  /** Weights that a decoded token reads, and what the adapter copies, read and written, in a second. */
  readonly weightBytes: number;
  readonly bandwidth: number;
  readonly batches: readonly number[];
  readonly checkTokens: number;
}

/** @param figures for each device Baton's before its peers' */
export function engineSection(
  model: string,
  figures: readonly PeerFigures[],
  options: SectionOptions,
): string {
  const { weightBytes, bandwidth } = options;
  const floor = bandwidth / weightBytes;
  return [
    `### ${model}`,
    `Memory floor of decode: ${
      figure(weightBytes / 1e6)
    } MB of weights a token in the file's own ` +
    `types, ${figure(bandwidth / 1e9)} GB/s copied by the adapter (read + write): ` +
    `${figure(floor)} tokens/s.`,
    "“Baton / it” compares engines that compute on the same device: the adapter, or the CPU.",
    speedTable(figures, floor),
    `Tokens/s of all sequences together, and how often as many as one sequence gets alone:`,
    batchTable(figures.filter(({ peer }) => peer.isBatching), options.batches),
    `What was compared: the text that each engine writes shows that it computes this model.`,
    engineTable(figures, options.checkTokens),
  ].join("\n\n");
}

function speedTable(figures: readonly PeerFigures[], floor: number): string {
  const rows = figures.map((row) => {
    const baton = figures.find(({ peer }) => peer.device === row.peer.device) ?? row;
    const decode = decodeAt(row, 1);
    return [
      row.peer.name,
      figure(row.prefill),
      ratio(baton.prefill, row.prefill),
      figure(decode),
      ratio(decodeAt(baton, 1), decode),
      row.peer.device === "adapter" ? `${figure(decode / floor * 100)} %` : "–",
    ];
  });
  return table(
    ["engine", "prefill tok/s", "Baton / it", "decode tok/s", "Baton / it", "of the floor"],
    rows,
  );
}

function batchTable(figures: readonly PeerFigures[], batches: readonly number[]): string {
  const rows = figures.map((row) => [
    row.peer.name,
    figure(decodeAt(row, 1)),
    ...batches.map((sequences) => {
      const decode = decodeAt(row, sequences);
      return `${figure(decode)} (${ratio(decode, decodeAt(row, 1))}x)`;
    }),
  ]);
  return table(["engine", "1 sequence", ...batches.map((count) => `${count} sequences`)], rows);
}

function engineTable(figures: readonly PeerFigures[], checkTokens: number): string {
  const rows = figures.map((row) => [
    row.peer.name,
    row.peer.device,
    row.peer.weights,
    `${figure(row.loadMs / 1e3)} s`,
    row.peakBytes === null ? "–" : figure(row.peakBytes / 2 ** 20),
    `${row.sameTokens} of ${checkTokens}`,
  ]);
  return table(
    ["engine", "device", "weights", "load", "peak MiB", "first tokens as the first engine"],
    rows,
  );
}

function decodeAt({ decode }: PeerFigures, sequences: number): number {
  return decode.get(sequences) ?? NaN;
}

function ratio(a: number, b: number): string {
  return figure(a / b);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
