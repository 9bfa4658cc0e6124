/** The rows of the requests that run now: each stays the same element, so that its link can be held. */

import { type Child, h, keepPlace } from "./dom.ts";
import { durationText, REQUEST_HEAD, requestLink, workerCell } from "./request_cells.ts";
import { quietMs, type ShownRequest, type ShownRequests } from "./running_requests.ts";

/** Where the stage's own name is not plain. */
const STAGE_WORDS: Readonly<Record<string, string>> = {
  wait_for_worker: "no worker yet",
  dispatch: "sent to a worker",
  queue: "in the queue",
  kv_transfer: "KV transfer",
};

export class RunningRows {
  /** Goes into the table of requests, above those that have ended. */
  readonly element = h("tbody.running");
  readonly #more = h("td", [], { attributes: { colspan: String(REQUEST_HEAD.length) } });
  readonly #moreRow = h("tr.more", [this.#more]);
  #rows = new Map<string, RunningRow>();
  #state = "";

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  show({ shown, more }: ShownRequests): void {
    const rows = new Map(shown.map((one): [string, RunningRow] => {
      const { requestId } = one.request;
      return [requestId, this.#rows.get(requestId) ?? new RunningRow(one)];
    }));
    for (const one of shown) rows.get(one.request.requestId)?.update(one);
    this.#rows = rows;
    this.#more.textContent = `${more} more run`;
    const state = [...rows.keys(), more > 0].join();
    if (state === this.#state) return;
    this.#state = state;
    const elements = [...rows.values()].map(({ element }) => element);
    if (more > 0) elements.push(this.#moreRow);
    keepPlace(this.element, () => this.element.replaceChildren(...elements));
  }
}

class RunningRow {
  readonly element: HTMLTableRowElement;
  readonly #cells: readonly HTMLTableCellElement[];

  constructor({ request }: ShownRequest) {
    const { traceId, requestId, receivedAtMs } = request;
    const link = requestLink({ traceId, key: requestId, startMs: receivedAtMs });
    this.#cells = [1, 2, 3, 4, 5, 6, 7, 8].map(() => h("td"));
    this.element = h("tr", [h("td"), h("td", [link]), ...this.#cells]);
  }

  /** What has not changed stays as it is. */
  update(shown: ShownRequest): void {
    const { request, hasEnded } = shown;
    const quiet = hasEnded ? null : quietMs(request);
    const { ageMs, ttftMs, averageItlMs, model, workerIds } = request;
    const contents: Child[][] = [
      [durationText(ageMs)],
      [
        h("span.outcome", [placeWords(shown)]),
        quiet === null ? null : h("strong.slow_mark", [` no token for ${durationText(quiet)}`]),
      ],
      [durationText(ttftMs)],
      [durationText(averageItlMs)],
      [],
      [tokenWords(shown)],
      [model],
      [workerCell(workerIds)],
    ];
    this.#cells.forEach((cell, index) => setContent(cell, contents[index] ?? []));
    this.element.classList.toggle("slow", quiet !== null);
    this.element.classList.toggle("ended", hasEnded);
  }
}

/** `running: decode`, `running: decode, attempt 2`, `running: the client does not read`, `ended`. */
function placeWords({ request, hasEnded }: ShownRequest): string {
  if (hasEnded) return "ended";
  const { stage, attempts, waitsForClient } = request;
  const place = waitsForClient ? "the client does not read" : STAGE_WORDS[stage] ?? stage;
  return `running: ${place}${attempts > 1 ? `, attempt ${attempts}` : ""}`;
}

/** As in the rows of those that have ended. */
function tokenWords({ request: { inputTokens, outputTokens } }: ShownRequest): string {
  return inputTokens > 0 ? `${inputTokens} + ${outputTokens}` : "";
}

function setContent(cell: HTMLElement, content: readonly Child[]): void {
  const next = h("td", content);
  if (!next.isEqualNode(cell)) cell.replaceChildren(...next.childNodes);
}
