/** Counts and measures matching spans in the steps of a window, by the attributes of `by()`. */

import type { AttributeRef, MetricsStage } from "./ast.ts";
import { QueryLimitError } from "./errors.ts";
import type { Lookup } from "./field_value.ts";
import { compareLabels } from "./label_order.ts";
import { log2Bucket, log2Quantile } from "./log2_histogram.ts";
import type { MetricsWindow } from "./metrics_window.ts";
import { numberOf, type Static, staticKey } from "./static.ts";

export type Labels = readonly (readonly [string, Static])[];

export interface Exemplar {
  readonly labels: Labels;
  readonly value: number;
  readonly timeMs: number;
}

export interface Series {
  readonly labels: Labels;
  /** By interval; NaN where there is none. */
  readonly values: readonly number[];
  readonly exemplars: readonly Exemplar[];
}

export interface MetricsOptions {
  readonly stage: MetricsStage;
  readonly window: MetricsWindow;
  /** Exemplars in all. */
  readonly exemplarLimit: number;
  /** Shown with each exemplar. */
  readonly exemplarRefs: readonly AttributeRef[];
}

export interface ObservedSpan {
  /** Nanoseconds after the start of the window. */
  readonly offsetNs: number;
  readonly timeMs: number;
  readonly lookup: Lookup;
  readonly traceId: () => string;
}

interface Group {
  readonly labels: Labels;
  /** By interval, what `observe` adds up. */
  readonly cells: (Cell | undefined)[];
  readonly exemplars: { cell: number; bucket: number; exemplar: Exemplar }[];
}

interface Cell {
  count: number;
  sum: number;
  min: number;
  max: number;
  readonly buckets: Map<number, number>;
}

/** More series than a chart or a browser can hold say that `by()` has the wrong attribute. */
const MAX_SERIES = 1000;

/** Values of all series: more would take all memory of the service and of the browser. */
const MAX_VALUES = 1_000_000;

export class MetricsAccumulator {
  readonly #options: MetricsOptions;
  readonly #groups = new Map<string, Group>();
  readonly #exemplarTraces = new Set<string>();
  readonly #exemplarCounts: number[];
  readonly #exemplarsPerInterval: number;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const { intervals } = options.window;
    this.#exemplarCounts = new Array<number>(intervals).fill(0);
    this.#exemplarsPerInterval = Math.ceil(options.exemplarLimit / intervals);
  }

  /** Adds a matching span. Throws a QueryLimitError. */
  observe(span: ObservedSpan): void {
    const { stage, window } = this.#options;
    const interval = window.intervalAt(span.offsetNs);
    if (interval < 0) return;
    const value = stage.ref === null ? 1 : measure(span.lookup(stage.ref));
    if (value === undefined) return;
    const group = this.#group(span.lookup);
    const cell = group.cells[interval] ??= newCell();
    const bucket = this.#usesBuckets ? this.#bucket(value) : 0;
    cell.count++;
    cell.sum += value;
    cell.min = Math.min(cell.min, value);
    cell.max = Math.max(cell.max, value);
    if (this.#usesBuckets) cell.buckets.set(bucket, (cell.buckets.get(bucket) ?? 0) + 1);
    this.#keepExemplar(group, span, { interval, bucket, value });
  }

  /** Series in order of their labels. Throws a QueryLimitError. */
  series(): Series[] {
    const { stage, window } = this.#options;
    const groups = [...this.#groups.values()];
    if (groups.length === 0 && stage.by.length === 0 && stage.ref === null) {
      groups.push({ labels: [], cells: [], exemplars: [] });
    }
    const count = groups.reduce((sum, group) => sum + this.#seriesCount(group), 0);
    if (count * window.intervals > MAX_VALUES) {
      throw new QueryLimitError(
        `Cannot answer: ${count} series of ${window.intervals} steps are more than ${MAX_VALUES} ` +
          "values; use a larger step, or group by fewer attributes",
      );
    }
    const series = groups.flatMap((group) => this.#seriesOf(group));
    return series.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  get #usesBuckets(): boolean {
    const { function: name } = this.#options.stage;
    return name === "quantile_over_time" || name === "histogram_over_time";
  }

  /** Durations are bucketed in nanoseconds and shown in seconds. */
  #bucket(value: number): number {
    const { ref } = this.#options.stage;
    return isDuration(ref) ? log2Bucket(Math.round(value * 1e9)) / 1e9 : log2Bucket(value);
  }

  #group(lookup: Lookup): Group {
    const { by } = this.#options.stage;
    const values = by.map((ref) => [ref.text, lookup(ref)] as const);
    const key = values.map(([, value]) => staticKey(value)).join("\0");
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= MAX_SERIES) {
        throw new QueryLimitError(
          `Cannot answer: by() gives more than ${MAX_SERIES} series; group by fewer attributes`,
        );
      }
      const labels = values.filter(([, value]) => value.type !== "nil");
      const isNameless = by.length > 0 && labels.length === 0;
      group = {
        labels: isNameless ? [[by[0].text, { type: "string", value: "nil" }]] : labels,
        cells: [],
        exemplars: [],
      };
      this.#groups.set(key, group);
    }
    return group;
  }

  #keepExemplar(
    group: Group,
    span: ObservedSpan,
    at: { interval: number; bucket: number; value: number },
  ): void {
    const { exemplarLimit, exemplarRefs } = this.#options;
    if (this.#exemplarTraces.size >= exemplarLimit) return;
    if (this.#exemplarCounts[at.interval] >= this.#exemplarsPerInterval) return;
    const traceId = span.traceId();
    if (this.#exemplarTraces.has(traceId)) return;
    this.#exemplarTraces.add(traceId);
    this.#exemplarCounts[at.interval]++;
    const labels = exemplarRefs
      .map((ref) => [ref.text, span.lookup(ref)] as const)
      .filter(([, value]) => value.type !== "nil");
    group.exemplars.push({
      cell: at.interval,
      bucket: at.bucket,
      exemplar: {
        labels: [["trace:id", { type: "string", value: traceId }], ...labels],
        value: at.value,
        timeMs: span.timeMs,
      },
    });
  }

  #seriesCount(group: Group): number {
    const { function: name, quantiles } = this.#options.stage;
    if (name === "histogram_over_time") return bucketBounds(group).size;
    return name === "quantile_over_time" ? quantiles.length : 1;
  }

  #seriesOf(group: Group): Series[] {
    const { function: name, quantiles, by } = this.#options.stage;
    if (name === "histogram_over_time") return this.#histogramSeries(group);
    if (name === "quantile_over_time") {
      return quantiles.map((quantile) => this.#quantileSeries(group, quantile));
    }
    const values = this.#values(group, (cell) => this.#simpleValue(cell));
    const exemplars = group.exemplars.map(({ cell, exemplar }) =>
      name === "rate" || name === "count_over_time"
        ? { ...exemplar, value: values[cell] }
        : exemplar
    );
    const labels: Labels = by.length > 0
      ? group.labels
      : [["__name__", { type: "string", value: name }]];
    return [{ labels, values, exemplars }];
  }

  #simpleValue(cell: Cell | undefined): number {
    const { stage, window } = this.#options;
    switch (stage.function) {
      case "rate":
        return (cell?.count ?? 0) / window.stepSeconds;
      case "count_over_time":
        return cell?.count ?? 0;
      case "min_over_time":
        return cell?.min ?? NaN;
      case "max_over_time":
        return cell?.max ?? NaN;
      case "avg_over_time":
        return cell === undefined ? NaN : cell.sum / cell.count;
      default:
        return cell?.sum ?? NaN;
    }
  }

  #quantileSeries(group: Group, quantile: number): Series {
    const { quantiles } = this.#options.stage;
    const values = this.#values(
      group,
      (cell) => cell === undefined ? 0 : log2Quantile(quantile, cell.buckets),
    );
    return {
      labels: [...group.labels, ["p", { type: "float", value: quantile }]],
      values,
      exemplars: group.exemplars
        .filter(({ cell, exemplar }) => {
          const buckets = group.cells[cell]?.buckets ?? new Map<number, number>();
          return nearest(exemplar.value, quantiles, (one) => log2Quantile(one, buckets)) ===
            quantile;
        })
        .map(({ exemplar }) => exemplar),
    };
  }

  #histogramSeries(group: Group): Series[] {
    return [...bucketBounds(group)].map((bound) => {
      const values = this.#values(group, (cell) => cell?.buckets.get(bound) ?? 0);
      return {
        labels: [...group.labels, ["__bucket", { type: "float", value: bound }]],
        values,
        exemplars: group.exemplars
          .filter(({ bucket }) => bucket === bound)
          .map(({ cell, exemplar }) => ({ ...exemplar, value: values[cell] })),
      };
    });
  }

  #values(group: Group, valueOf: (cell: Cell | undefined) => number): number[] {
    return Array.from(
      { length: this.#options.window.intervals },
      (_, interval) => valueOf(group.cells[interval]),
    );
  }
}

function bucketBounds({ cells }: Group): Set<number> {
  return new Set(cells.flatMap((cell) => [...cell?.buckets.keys() ?? []]));
}

function newCell(): Cell {
  return { count: 0, sum: 0, min: Infinity, max: -Infinity, buckets: new Map() };
}

/** Seconds of a duration, else the number; undefined of what has none. */
function measure(value: Static): number | undefined {
  const number = numberOf(value);
  if (number === undefined || Number.isNaN(number)) return undefined;
  return value.type === "duration" ? number / 1e9 : number;
}

function isDuration(ref: AttributeRef | null): boolean {
  return ref?.scope === "intrinsic" &&
    (ref.name === "duration" || ref.name === "traceDuration" ||
      ref.name === "event:timeSinceStart");
}

/** The first quantile whose value lies nearest. */
function nearest(
  value: number,
  quantiles: readonly number[],
  valueOf: (quantile: number) => number,
): number {
  return quantiles.reduce((best, one) =>
    Math.abs(valueOf(one) - value) < Math.abs(valueOf(best) - value) ? one : best
  );
}
