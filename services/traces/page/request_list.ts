/** The list of requests: those that run now, then the newest that the search found. */

import { h, keepPlace, showProblem } from "./dom.ts";
import { endedRequestIds } from "./found_request.ts";
import { type Marks, requestTable } from "./request_table.ts";
import {
  type RunningAnswer,
  type RunningRequest,
  RunningRequests,
  type ShownRequests,
} from "./running_requests.ts";
import { RunningRows } from "./running_rows.ts";
import type { FoundTrace } from "./trace_queries.ts";

export interface RequestListOptions extends Marks {
  /** As many as a search may find. */
  readonly limit: number;
  /** Whether a request that runs is one of those that the reader looks for. */
  readonly isWanted: (request: RunningRequest) => boolean;
}

export class RequestList {
  readonly element: HTMLElement;
  readonly #options: RequestListOptions;
  readonly #problem = h("div");
  /** What is to be said of those that run. */
  readonly #note = h("div");
  readonly #place = h("div", [h("p.hint", ["Looking…"])]);
  readonly #running = new RunningRequests();
  readonly #rows = new RunningRows();
  #found: readonly FoundTrace[] = [];
  /** The newest search has an answer. */
  #isKnown = false;

  constructor(options: RequestListOptions) {
    this.#options = options;
    this.element = h("div", [this.#problem, this.#note, this.#place]);
  }

  /** What a search found. An unchanged list stays as it is. */
  found(found: readonly FoundTrace[]): void {
    this.#problem.replaceChildren();
    this.#running.arrived(endedRequestIds(found));
    if (this.#isKnown && JSON.stringify(found) === JSON.stringify(this.#found)) return;
    this.#isKnown = true;
    this.#found = found;
    this.draw();
  }

  searchFailed(error: unknown): void {
    showProblem(this.#problem, error);
    this.#isKnown = false;
    this.#found = [];
    this.draw();
  }

  running(answer: RunningAnswer): void {
    this.#running.update(answer, performance.now());
    this.#note.replaceChildren();
    this.#showRunning();
  }

  runningFailed(error: unknown): void {
    this.#running.clear();
    const reason = error instanceof Error ? error.message : String(error);
    const hint = h("p.hint", [`Requests that run now: the frontend does not tell. ${reason}`]);
    if (!hint.isEqualNode(this.#note.firstChild)) this.#note.replaceChildren(hint);
    this.#showRunning();
  }

  /** Draws it by what the reader looks for now. */
  draw(): void {
    keepPlace(this.#place, () => {
      this.#rows.show(this.#chosen());
      this.#place.replaceChildren(...this.#parts());
    });
  }

  /** Leaves those that have ended as they are. */
  #showRunning(): void {
    const chosen = this.#chosen();
    const hasTable = this.#place.contains(this.#rows.element);
    const needsTable = chosen.shown.length > 0 || this.#found.length > 0;
    if (hasTable !== needsTable) this.draw();
    else this.#rows.show(chosen);
  }

  #chosen(): ShownRequests {
    const arrivedIds = endedRequestIds(this.#found);
    return this.#running.choose({ arrivedIds, isWanted: this.#options.isWanted });
  }

  #parts(): HTMLElement[] {
    const { limit, marked, mark } = this.#options;
    const found = this.#found;
    if (this.#rows.isEmpty && found.length === 0) {
      const words = "No request matches. New ones show by themselves.";
      return this.#isKnown ? [h("p.hint", [words])] : [];
    }
    return [
      requestTable(found, { marked, mark, running: this.#rows.element }),
      ...(found.length < limit ? [] : [h("p.hint", [`The newest ${limit} of those that match.`])]),
    ];
  }
}
