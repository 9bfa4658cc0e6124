/**
 * Delivery to the collector: the SDK's OTLP exporter with what it lacks.
 *
 * - One batch at a time, so that a flush of many batches does not meet the SDK's concurrency limit.
 * - A batch that fails is kept and tried again, further apart each time, until it is too old, unless the
 *   collector refuses it for what it is (4xx) or it cannot be encoded. Behind it spans wait in the
 *   bounded queue, and what finds that queue full is dropped and counted. A collector that starts late
 *   misses nothing that fits.
 * - An outage is one log line when it begins and one when it ends, not one a batch.
 * - At shutdown every batch has one more attempt, within the time that shutdown has; in an outage that
 *   is known, there is a moment for one attempt.
 */

import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { delay } from "@std/async/delay.js";
import type { Logger } from "../telemetry.ts";
import type { ExportStats } from "./export_stats.ts";

/** The exporter below tries again by itself, for longer than the end of a process should take. */
const LAST_ATTEMPT_MS = 1_000;

export interface RetryPolicy {
  /** Pause after the first failure; doubles with each. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Age at which a batch is given up. */
  readonly giveUpMs: number;
}

export interface ReliableExporterOptions {
  /** The exporter below. An error with a `code` of 4xx says that trying again is useless. */
  readonly exporter: SpanExporter;
  readonly stats: ExportStats;
  readonly log: Logger;
  /** Where it sends to, for the log. */
  readonly tracesUrl: string;
  readonly retry: RetryPolicy;
  /** Told of each batch that the collector has taken. */
  readonly onDelivered: (spans: readonly ReadableSpan[]) => void;
}

export class ReliableExporter implements SpanExporter {
  readonly #options: ReliableExporterOptions;
  readonly #draining = new AbortController();
  /** The batch before: batches go one after the other. */
  #last: Promise<void> = Promise.resolve();
  #outage: { readonly sinceMs: number; readonly droppedBefore: number } | null = null;
  #drainError: Error | null = null;
  /** Ends the attempt in progress. */
  #endAttempt: (result: ExportResult) => void = () => {};
  #lastAttemptTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ReliableExporterOptions) {
    this.#options = options;
  }

  export(spans: ReadableSpan[], onResult: (result: ExportResult) => void): void {
    this.#last = this.#last.then(async () => {
      const error = await this.#deliver(spans);
      onResult(
        error === null
          ? { code: ExportResultCode.SUCCESS }
          : { code: ExportResultCode.FAILED, error },
      );
    });
  }

  /** From now on nothing is tried again, and the first failure ends it for what is left. */
  drain(): void {
    if (this.#draining.signal.aborted) return;
    this.#draining.abort();
    if (this.#outage === null) return;
    const error = new Error(`no answer within ${LAST_ATTEMPT_MS} ms`);
    this.#lastAttemptTimer = setTimeout(
      () => this.#endAttempt({ code: ExportResultCode.FAILED, error }),
      LAST_ATTEMPT_MS,
    );
  }

  async forceFlush(): Promise<void> {
    await this.#last;
  }

  async shutdown(): Promise<void> {
    this.drain();
    await this.#last;
    clearTimeout(this.#lastAttemptTimer);
    const { exporter, stats, log, tracesUrl } = this.#options;
    if (this.#drainError === null) return await exporter.shutdown();
    // The exporter below may not be done with what was given up: nobody waits for it.
    log.warn("could not export all spans before the end", {
      dropped_spans: stats.droppedSpans,
      error: this.#drainError.message,
      url: tracesUrl,
    });
  }

  /** Resolves with the error for which it gave the batch up, or null when it arrived. */
  async #deliver(spans: ReadableSpan[]): Promise<Error | null> {
    const { stats, retry } = this.#options;
    const giveUpAtMs = performance.now() + retry.giveUpMs;
    let error = this.#drainError ?? await this.#attempt(spans);
    for (let pauseMs = retry.firstMs; error !== null; pauseMs *= 2) {
      if (isRefusal(error) || performance.now() > giveUpAtMs) break;
      if (this.#draining.signal.aborted) {
        this.#drainError = error;
        break;
      }
      await this.#pause(Math.min(pauseMs, retry.longestMs));
      stats.retriedSpans += spans.length;
      error = await this.#attempt(spans);
    }
    stats.queuedSpans -= spans.length;
    if (error !== null) stats.droppedSpans += spans.length;
    else {
      stats.exportedSpans += spans.length;
      this.#options.onDelivered(spans);
    }
    return error;
  }

  async #attempt(spans: ReadableSpan[]): Promise<Error | null> {
    const { exporter } = this.#options;
    const result = await new Promise<ExportResult>((resolve) => {
      this.#endAttempt = resolve;
      exporter.export(spans, resolve);
    })
      .catch((cause) => ({ code: ExportResultCode.FAILED, error: new UnsendableBatch(cause) }));
    if (result.code === ExportResultCode.SUCCESS) {
      this.#noteSuccess();
      return null;
    }
    const error = result.error ?? new Error("The export failed");
    this.#noteFailure(error);
    return error;
  }

  async #pause(pauseMs: number): Promise<void> {
    try {
      await delay(pauseMs, { signal: this.#draining.signal, persistent: false });
    } catch {
      // Draining began: the next attempt is made now.
    }
  }

  #noteFailure(error: Error): void {
    const { stats, log, tracesUrl } = this.#options;
    stats.failedBatches += 1;
    if (this.#outage !== null) return;
    this.#outage = { sinceMs: performance.now(), droppedBefore: stats.droppedSpans };
    log.warn("cannot export spans; they are kept while the queue has room", {
      url: tracesUrl,
      ...reasonOf(error),
    });
  }

  #noteSuccess(): void {
    if (this.#outage === null) return;
    clearTimeout(this.#lastAttemptTimer);
    const { stats, log, tracesUrl } = this.#options;
    log.info("span export works again", {
      url: tracesUrl,
      outage_ms: Math.round(performance.now() - this.#outage.sinceMs),
      dropped_spans: stats.droppedSpans - this.#outage.droppedBefore,
    });
    this.#outage = null;
  }
}

/** The exporter below threw: it cannot encode this batch, now or later. */
class UnsendableBatch extends Error {
  override name = "UnsendableBatch";
  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot encode the batch: ${reason}`, { cause });
  }
}

/** For the log. Of an answer that asks to come later the exporter below does not tell the status. */
function reasonOf(error: Error): { readonly error: string; readonly status?: string } {
  const status = "code" in error && error.code !== undefined ? String(error.code) : undefined;
  if (status !== undefined) return { error: error.message, status };
  const isLater = error instanceof OTLPExporterError;
  return { error: isLater ? "the collector answers 429, 502, 503 or 504" : error.message };
}

/** Whether trying this batch again is useless: the collector's answer, or no way to encode it. */
function isRefusal(error: Error): boolean {
  if (error instanceof UnsendableBatch) return true;
  const status = "code" in error ? Number(error.code) : NaN;
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
