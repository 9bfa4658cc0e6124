/** One answer of the chat: its text as it comes, its timings, and its trace as it fills in. */

import { counted, formatDuration } from "../../../shared/trace_view/format.ts";
import { REQUEST_SPAN_NAME } from "../../../shared/trace_view/request_facts.ts";
import type { ViewSpan } from "../../../shared/trace_view/span.ts";
import { buildTree, type TraceTree } from "../../../shared/trace_view/trace_tree.ts";
import { curl } from "./request_curl.ts";
import { fetchTrace } from "./trace_queries.ts";
import { AnswerText } from "./answer_text.ts";
import type { AnswerTimings } from "./answer_timings.ts";
import { type ChatPiece, readChatStream } from "./chat_stream.ts";
import { copyButton } from "./copy_button.ts";
import { h, notice, painted, pause } from "./dom.ts";
import { nowMs, type PageOutcome, PageSpan } from "./page_span.ts";
import { createPageTracer, createSpanExporter } from "./page_tracer.ts";
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

export interface ChatRequest {
  readonly model: string;
  /** The other fields of the body. */
  readonly [field: string]: unknown;
}

type Send = (
  body: unknown,
  options: { readonly traceparent: string; readonly signal: AbortSignal },
) => Promise<ReadableStream<Uint8Array>>;

const ROUTE = "/v1/chat/completions";
const page = createPageTracer(createSpanExporter("/v1/traces"));

export class ChatAnswer {
  readonly element: HTMLElement;
  readonly #body: ChatRequest;
  readonly #text = new AnswerText();
  readonly #timings = h("p.timings", ["Waiting for the first token…"], {
    attributes: { "aria-live": "off" },
  });
  readonly #problem = h("div");
  readonly #gaps = h("div");
  readonly #trace = h("div.answer_trace", [], { attributes: { "aria-live": "off" } });
  readonly #span: PageSpan;
  readonly #startMs = nowMs();
  #toldTimings: AnswerTimings | null = null;
  #firstShown: Promise<void> | null = null;
  #hasEnded = false;
  readonly #onGrowth: () => void;

  /** `onGrowth` hears of everything that is added. */
  constructor(body: ChatRequest, onGrowth: () => void) {
    this.#body = body;
    this.#onGrowth = onGrowth;
    this.#span = new PageSpan(page.tracer, { model: body.model, route: ROUTE });
    const { traceId } = this.#span;
    this.element = h("article.answer", [
      this.#text.element,
      this.#problem,
      this.#timings,
      this.#gaps,
      this.#trace,
      h("p.links", [
        h("a", ["Whole trace"], { attributes: { href: traceHref(traceId) } }),
        copyButton("Copy trace id", traceId),
        copyButton("Copy as curl", curl(`${location.origin}/frontend${ROUTE}`, body)),
      ]),
    ], { attributes: { "data-trace-id": traceId, "aria-busy": "true" } });
  }

  /** Grows with each token. */
  get textElement(): HTMLElement {
    return this.#text.element;
  }

  get message(): { readonly role: "assistant"; readonly content: string } {
    return { role: "assistant", content: this.#text.text };
  }

  /** Resolves at the answer's end: true when it is whole, also where Stop cut it. */
  async run(signal: AbortSignal, send: Send): Promise<boolean> {
    const drawn = this.#followTrace();
    try {
      const stream = await send(this.#body, { traceparent: this.#span.traceparent, signal });
      let finishReason = "";
      for await (const piece of readChatStream(stream)) {
        this.#addPiece(piece);
        if (piece.finishReason !== "") finishReason = piece.finishReason;
        this.#toldTimings ??= piece.timings;
      }
      await this.#end("success", { word: finishReason });
      return true;
    } catch (error) {
      if (signal.aborted) {
        await this.#end("cancelled", { word: "stopped" });
        return this.#text.piecesMs.length > 0;
      }
      await this.#end("error", { word: "failed", error });
      return false;
    } finally {
      this.#hasEnded = true;
      this.element.setAttribute("aria-busy", "false");
      void drawn.then(() => this.element.setAttribute("data-complete", ""));
    }
  }

  #addPiece({ text, tokens }: ChatPiece): void {
    this.#text.add(text, nowMs() - this.#startMs, tokens);
    if (text === "") return;
    this.#firstShown ??= painted().then((atMs) => this.#span.event("first_token", atMs));
    this.#timings.textContent = this.#timingWords().join(" · ");
    this.#onGrowth();
  }

  async #end(
    outcome: PageOutcome,
    { word, error }: { readonly word: string; readonly error?: unknown },
  ): Promise<void> {
    const { piecesMs } = this.#text;
    const endWords = [...this.#timingWords(), ...(word === "" ? [] : [word])];
    this.#timings.textContent = endWords.join(" · ");
    if (this.#toldTimings !== null) {
      const stages = this.#toldTimings.stages
        .map(({ name, ms }) => `${name} ${formatDuration(ms * 1000)}`);
      if (stages.length > 0) {
        this.#timings.append(h("br"), `At the services: ${stages.join(" · ")}`);
      }
    }
    const gaps = tokenGaps(piecesMs.slice(1).map((ms, index) => ms - (piecesMs[index] ?? ms)));
    if (gaps !== null) this.#gaps.append(gaps);
    if (error !== undefined) this.#problem.append(notice(error));
    this.#onGrowth();
    if (this.#firstShown !== null) {
      await this.#firstShown;
      this.#span.event("last_token", await painted());
    }
    const message = error instanceof Error ? error.message : "";
    this.#span.end(outcome, { pieces: piecesMs.length, message });
  }

  #timingWords(): string[] {
    const { piecesMs } = this.#text;
    const [firstMs] = piecesMs;
    const total = `${formatDuration((nowMs() - this.#startMs) * 1000)} in all`;
    if (firstMs === undefined) return [total];
    const count = this.#toldTimings?.tokenCount ?? this.#text.tokenCount;
    const decodeMs = (piecesMs.at(-1) ?? firstMs) - firstMs;
    return [
      `first token after ${formatDuration(firstMs * 1000)}`,
      counted(count, "token"),
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
        await page.flush();
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
      waterfall(treeWith(this.#span.view(), spans), { isFillingIn: !isComplete }),
      ...(hint === "" ? [] : [h("p.hint", [hint])]),
    );
    this.#onGrowth();
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
