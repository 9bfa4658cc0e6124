/** A figure over time, small: its line, its newest value and its peak in words. */

import { h } from "./dom.ts";
import { svg } from "./svg.ts";

const WIDTH = 240;
const HEIGHT = 36;
/** Room for the line's own width. */
const MARGIN = 2;
/** Of a value without neighbours. */
const DASH = 4;
const NO_BREAK = "\u00a0";

export interface SparklineOptions {
  readonly label: string;
  /** By time, at equal distances; NaN where nothing is known. */
  readonly values: readonly number[];
  readonly format: (value: number) => string;
  /** The colour of what should not be. */
  readonly isBad?: boolean;
}

export function sparkline({ label, values, format, isBad }: SparklineOptions): HTMLElement {
  const known = values.filter((value) => !Number.isNaN(value));
  const newest = known.at(-1);
  const highest = Math.max(...known);
  const figure = (value: number) => format(value).replaceAll(" ", NO_BREAK);
  const words = newest === undefined ? "nothing yet" : `${figure(newest)}, peak ${figure(highest)}`;
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    linePaths(values).map((d) => svg("path", { d })),
  );
  return h(isBad === true && highest > 0 ? "figure.sparkline.bad" : "figure.sparkline", [
    h("figcaption", [h("strong", [label]), " ", words]),
    drawing,
  ]);
}

/** The line, one path for each stretch without a gap; a stretch of one value is a short dash. */
export function linePaths(values: readonly number[]): string[] {
  const highest = Math.max(...values.filter((value) => !Number.isNaN(value)), 1e-12);
  const step = WIDTH / Math.max(values.length - 1, 1);
  const paths: string[] = [];
  let points: { readonly x: number; readonly y: number }[] = [];
  const end = () => {
    const [first] = points;
    if (first === undefined) return;
    const text = ({ x, y }: { x: number; y: number }) => `${x.toFixed(1)} ${y.toFixed(1)}`;
    paths.push(
      points.length === 1
        ? `M${text({ ...first, x: Math.min(first.x, WIDTH - DASH) })}h${DASH}`
        : `M${points.map(text).join("L")}`,
    );
    points = [];
  };
  values.forEach((value, index) => {
    if (Number.isNaN(value)) return end();
    const y = HEIGHT - MARGIN - value / highest * (HEIGHT - 2 * MARGIN);
    points.push({ x: index * step, y });
  });
  end();
  return paths;
}
