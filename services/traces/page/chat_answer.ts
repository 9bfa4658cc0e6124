/** One answer of the chat: its text as it comes, its timings, and its trace as it fills in. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { REQUEST_SPAN_NAME } from "../../../shared/trace_view/request_facts.ts";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { buildTree, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { fetchTrace } from "./backend.ts";
import { readChatStream } from "./chat_stream.ts";
import { copyButton } from "./copy_button.ts";
import { h, notice, pause } from "./dom.ts";
import { nowMs, PageSpan } from "./page_span.ts";
import { tokenGaps } from "./token_gaps.ts";
import { traceHref, waterfall } from "./waterfall.ts";

const POLL_MS = 300;
/** Spans are exported up to seconds after their end; then what is there is all. */
const LAST_SPANS_MS = 12_000;
/** Polls in a row without a new span that end the waiting. */
const QUIET_POLLS = 4;
const FILLING_IN = "Filling in: the spans of a service show once its part has ended.";
const NOT_EXPORTED =
  "The frontend's spans did not come: it exports none, or exports them elsewhere.";

type Send = (
  body: unknown,
  options: { readonly traceparent: string; readonly signal: AbortSignal },
) => Promise<ReadableStream<Uint8Array>>;

export class ChatAnswer {
  readonly element: HTMLElement;
  readonly #body: unknown;
  readonly #text = h("div.answer_text");
  readonly #timings = h("p.timings", ["Waiting for the first token…"]);
  readonly #gaps = h("div");
  readonly #trace = h("div.answer_trace");
  readonly #span = new PageSpan();
  /** When each token came. */
  readonly #tokensMs: number[] = [];
  readonly #startMs = nowMs();
  #hasEnded = false;

  constructor(body: unknown) {
    this.#body = body;
    const { traceId } = this.#span;
    this.element = h("article.answer", [
      this.#text,
      this.#timings,
      this.#gaps,
      this.#trace,
      h("p.links", [
        h("a", ["Whole trace"], { attributes: { href: traceHref(traceId) } }),
        copyButton("Copy trace id", traceId),
        copyButton("Copy as curl", this.#curl()),
      ]),
    ], { attributes: { "data-trace-id": traceId } });
  }

  get message(): { readonly role: "assistant"; readonly content: string } {
    return { role: "assistant", content: this.#text.textContent };
  }

  /** Resolves at the answer's end: true when it is whole, also where Stop cut it. */
  async run(signal: AbortSignal, send: Send): Promise<boolean> {
    const drawn = this.#followTrace();
    try {
      const stream = await send(this.#body, { traceparent: this.#span.traceparent, signal });
      let finishReason = "";
      for await (const piece of readChatStream(stream)) {
        if (piece.text !== "") this.#addToken(piece.text);
        if (piece.finishReason !== "") finishReason = piece.finishReason;
      }
      this.#span.event("last_token");
      this.#end("success", finishReason);
      return true;
    } catch (error) {
      if (signal.aborted) {
        this.#end("cancelled", "stopped");
        return this.#tokensMs.length > 0;
      }
      this.#end("error", "failed", error);
      return false;
    } finally {
      this.#hasEnded = true;
      void drawn.then(() => this.element.setAttribute("data-complete", ""));
    }
  }

  #addToken(text: string): void {
    const atMs = nowMs();
    const lastMs = this.#tokensMs.at(-1);
    if (lastMs === undefined) this.#span.event("first_token");
    this.#tokensMs.push(atMs);
    const since = formatDuration((atMs - this.#startMs) * 1000);
    const gap = lastMs === undefined
      ? ""
      : `, ${formatDuration((atMs - lastMs) * 1000)} after the last`;
    this.#text.append(h("span.token", [text], {
      attributes: { title: `token ${this.#tokensMs.length} at ${since}${gap}` },
    }));
    this.#timings.textContent = this.#timingWords().join(" · ");
  }

  #end(outcome: "success" | "cancelled" | "error", word: string, error?: unknown): void {
    this.#span.end(outcome, error instanceof Error ? error.message : "");
    const endWords = [...this.#timingWords(), ...(word === "" ? [] : [word])];
    this.#timings.textContent = endWords.join(" · ");
    const gaps = tokenGaps(
      this.#tokensMs.slice(1).map((ms, index) => ms - (this.#tokensMs[index] ?? ms)),
    );
    if (gaps !== null) this.#gaps.append(gaps);
    if (error !== undefined) this.#text.append(notice(error));
  }

  #timingWords(): string[] {
    const [firstMs] = this.#tokensMs;
    const endMs = nowMs();
    const total = `${formatDuration((endMs - this.#startMs) * 1000)} in all`;
    if (firstMs === undefined) return [total];
    const count = this.#tokensMs.length;
    const decodeMs = (this.#tokensMs.at(-1) ?? firstMs) - firstMs;
    return [
      `first token after ${formatDuration((firstMs - this.#startMs) * 1000)}`,
      `${count} token${count === 1 ? "" : "s"}`,
      ...(decodeMs > 0 ? [`${((count - 1) / decodeMs * 1000).toFixed(1)} tokens/s`] : []),
      total,
    ];
  }

  /** Draws the trace again and again until its last spans are there. */
  async #followTrace(): Promise<void> {
    const { signal } = new AbortController();
    let spans: readonly ViewSpan[] = [];
    let endedMs: number | null = null;
    let quietPolls = 0;
    const hasRequest = () => spans.some(({ name }) => name === REQUEST_SPAN_NAME);
    while (true) {
      this.#draw(spans, { isComplete: false, hint: FILLING_IN });
      await pause(POLL_MS, signal);
      if (this.#hasEnded && endedMs === null) {
        endedMs = nowMs();
        await exportSpan(this.#span);
      }
      // A poll that fails is made up for by the next.
      const found = await fetchTrace(this.#span.traceId, signal).catch(() => spans);
      quietPolls = found.length > spans.length ? 0 : quietPolls + 1;
      if (found.length > spans.length) spans = found;
      if (endedMs === null) continue;
      if (hasRequest() && quietPolls >= QUIET_POLLS || nowMs() - endedMs > LAST_SPANS_MS) break;
    }
    this.#draw(spans, { isComplete: true, hint: hasRequest() ? "" : NOT_EXPORTED });
  }

  #draw(
    spans: readonly ViewSpan[],
    { isComplete, hint }: { readonly isComplete: boolean; readonly hint: string },
  ): void {
    this.#trace.replaceChildren(
      waterfall(treeWith(this.#span.view(), spans), { isCompact: !isComplete }),
      ...(hint === "" ? [] : [h("p.hint", [hint])]),
    );
  }

  #curl(): string {
    const url = `${location.origin}/frontend/v1/chat/completions`;
    const body = JSON.stringify(this.#body).replaceAll("'", `'\\''`);
    return `curl -N ${url} -H 'content-type: application/json' -d '${body}'`;
  }
}

/** The page's span with what is known below it; what has no parent yet hangs below the page's. */
export function treeWith(page: ViewSpan, spans: readonly ViewSpan[]): TraceTree {
  const others = spans.filter(({ spanId }) => spanId !== page.spanId);
  const known = new Set([page, ...others].map(({ spanId }) => spanId));
  return buildTree([
    page,
    ...others.map((span) =>
      known.has(span.parentSpanId) ? span : { ...span, parentSpanId: page.spanId }
    ),
  ]);
}

/** Adds the page's span to the stored trace. Without it the trace starts at the frontend. */
async function exportSpan(span: PageSpan): Promise<void> {
  await fetch("/v1/traces", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(span.exportRequest()),
  }).catch(() => undefined);
}
