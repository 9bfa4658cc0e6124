/** Calls to a Worker: one message there, one back, errors by name and message. */

interface CallMessage {
  readonly call: number;
  readonly name: string;
  readonly input: unknown;
}

interface ReplyMessage {
  readonly call: number;
  readonly output?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly detail?: unknown };
}

/** An error that a call ended with on the thread. */
export class ThreadCallError extends Error {
  /** What the error carried, such as the failure of a StoreError. */
  readonly detail: unknown;

  constructor(name: string, message: string, detail?: unknown) {
    super(message);
    this.name = name;
    this.detail = detail;
  }
}

/** The thread ended; whatever it had not answered may be sent again. */
export class ThreadEndedError extends Error {
  override name = "ThreadEndedError";
}

export class ThreadClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #onEnd: (error: ThreadEndedError) => void;
  #nextCall = 1;
  #hasEnded = false;

  /** Events that are no reply go to `onEvent`. */
  constructor(
    url: URL,
    options: {
      readonly onEvent: (event: unknown) => void;
      readonly onEnd: (error: ThreadEndedError) => void;
    },
  ) {
    this.#onEnd = options.onEnd;
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<ReplyMessage>) => {
      if (typeof data.call === "number") this.#settle(data);
      else options.onEvent(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(event.message);
    };
  }

  /** `transfer` moves to the thread and is empty here afterwards. */
  call(name: string, input: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
    if (this.#hasEnded) return Promise.reject(new ThreadEndedError("The thread has ended"));
    const call = this.#nextCall++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(call, pending);
    this.#worker.postMessage({ call, name, input } satisfies CallMessage, transfer);
    return pending.promise;
  }

  /** Ends the thread at once; pending calls reject. */
  end(reason: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#worker.terminate();
    const error = new ThreadEndedError(reason);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#onEnd(error);
  }

  #settle({ call, output, error }: ReplyMessage): void {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    if (error === undefined) pending?.resolve(output);
    else pending?.reject(new ThreadCallError(error.name, error.message, error.detail));
  }
}

/** What a thread needs of its own global scope. */
export interface ThreadScope {
  onmessage: ((event: MessageEvent<CallMessage>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/** Answers calls by name; a handler's array of buffers in `transfer` moves to the caller. */
export function serveCalls(
  scope: ThreadScope,
  handlers: Readonly<Record<string, (input: never) => unknown>>,
): void {
  scope.onmessage = async ({ data: { call, name, input } }) => {
    try {
      const output = await handlers[name](input as never);
      scope.postMessage({ call, output } satisfies ReplyMessage);
    } catch (error) {
      scope.postMessage({ call, error: describe(error) } satisfies ReplyMessage);
    }
  };
}

function describe(error: unknown): ReplyMessage["error"] {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const detail = "failure" in error ? error.failure : undefined;
  return { name: error.name, message: error.message, detail };
}
