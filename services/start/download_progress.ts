import type { Progress } from "../../shared/download/mod.ts";
import type { Terminal } from "./terminal.ts";

const REDRAW_MS = 100;
/** Where lines cannot be redrawn, one for each such step. */
const PLAIN_STEP_PERCENT = 10;
const BAR_WIDTH = 24;

/** Shows downloads: a bar on a terminal, a line every ten per cent elsewhere. */
export function showProgress(
  terminal: Terminal,
  now: () => number = performance.now.bind(performance),
): (progress: Progress) => void {
  let item = "";
  let startedAtMs = 0;
  let startBytes = 0;
  let drawnAtMs = -Infinity;
  let nextPercent = 0;
  return (progress) => {
    if (progress.item !== item) {
      item = progress.item;
      startedAtMs = now();
      startBytes = progress.receivedBytes;
      drawnAtMs = -Infinity;
      nextPercent = PLAIN_STEP_PERCENT;
      terminal.say(`Fetching ${item}${sizeText(progress)}`);
    }
    const { receivedBytes, totalBytes } = progress;
    const isComplete = receivedBytes === totalBytes;
    if (terminal.canRedraw) {
      if (!isComplete && now() - drawnAtMs < REDRAW_MS) return;
      drawnAtMs = now();
      const seconds = Math.max((now() - startedAtMs) / 1000, 0.001);
      const rate = `${megabytes((receivedBytes - startBytes) / seconds)} MB/s`;
      terminal.redraw(`  ${barText(progress)} ${megabytes(receivedBytes)} MB  ${rate}`);
      return;
    }
    if (totalBytes === undefined || totalBytes === 0) return;
    const percent = Math.floor(receivedBytes / totalBytes * 100);
    if (percent < nextPercent) return;
    nextPercent = percent - percent % PLAIN_STEP_PERCENT + PLAIN_STEP_PERCENT;
    terminal.say(`  ${item}: ${percent} %`);
  };
}

function sizeText({ totalBytes }: Progress): string {
  return totalBytes === undefined ? "" : ` (${megabytes(totalBytes)} MB)`;
}

function barText({ receivedBytes, totalBytes }: Progress): string {
  if (!totalBytes) return "";
  const share = Math.min(receivedBytes / totalBytes, 1);
  const filled = Math.round(share * BAR_WIDTH);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${percent} %`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
