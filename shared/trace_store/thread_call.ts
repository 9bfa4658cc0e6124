/**
 * Calls to a Worker: one message there, one back, errors by name and message. What libraries and the
 * runtime say in the thread comes as messages too.
 *
 * A call that is cancelled is pending until the thread has answered, with an error as a rule: so whoever
 * waits for it, or ends a thread that does not answer, knows what the thread is still at.
 */

import {
  type CapturedOutput,
  captureOutput,
  captureUncaught,
} from "../runtime_output/captured_output.ts";

interface CallMessage {
  readonly call: number;
  readonly name: string;
  readonly input: unknown;
}

interface CancelMessage {
  readonly cancelled: number;
}

interface ReplyMessage {
  readonly call: number;
  readonly output?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly detail?: unknown };
}

interface OutputMessage {
  readonly output: CapturedOutput;
}

/** Nobody caught an error: the thread is not to be trusted any more. */
interface UncaughtMessage {
  readonly uncaught: string;
}

/** What a thread posts by itself. */
export interface ThreadEvent {
  readonly event: string;
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

export interface CallOptions {
  /** Moves to the thread and is empty here afterwards. */
  readonly transfer?: ArrayBuffer[];
  /** Asks the thread to leave off when it aborts. */
  readonly signal?: AbortSignal;
}

export interface ThreadClientOptions {
  /** What libraries and the runtime say in the thread. */
  readonly onOutput: (output: CapturedOutput) => void;
  readonly onEvent?: (event: ThreadEvent) => void;
  readonly onEnd: (error: ThreadEndedError) => void;
}

type ThreadMessage = ReplyMessage | OutputMessage | UncaughtMessage | ThreadEvent;

export class ThreadClient {
  readonly #worker: Worker;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #onEnd: (error: ThreadEndedError) => void;
  #nextCall = 1;
  #hasEnded = false;

  constructor(url: URL, options: ThreadClientOptions) {
    this.#onEnd = options.onEnd;
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<ThreadMessage>) => {
      if ("call" in data) this.#settle(data);
      else if ("output" in data) options.onOutput(data.output);
      else if ("uncaught" in data) this.end(data.uncaught);
      else options.onEvent?.(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end(event.message);
    };
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async call(name: string, input: unknown, options: CallOptions = {}): Promise<unknown> {
    const { transfer = [], signal } = options;
    if (this.#hasEnded) throw new ThreadEndedError("The thread has ended");
    const call = this.#nextCall++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(call, pending);
    this.#worker.postMessage({ call, name, input } satisfies CallMessage, transfer);
    const cancel = () => this.#worker.postMessage({ cancelled: call } satisfies CancelMessage);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await pending.promise;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
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
  onmessage: ((event: MessageEvent<CallMessage | CancelMessage>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/** Answers calls by name; `signal` aborts where the caller does not want the answer any more. */
export function serveCalls(
  scope: ThreadScope,
  handlers: Readonly<Record<string, (input: never, signal: AbortSignal) => unknown>>,
): void {
  const postOutput = (output: CapturedOutput) =>
    scope.postMessage({ output } satisfies OutputMessage);
  captureOutput(postOutput);
  captureUncaught(
    postOutput,
    ({ message }) => scope.postMessage({ uncaught: message } satisfies UncaughtMessage),
  );
  const running = new Map<number, AbortController>();
  scope.onmessage = async ({ data }) => {
    if ("cancelled" in data) return running.get(data.cancelled)?.abort();
    const { call, name, input } = data;
    const abort = new AbortController();
    running.set(call, abort);
    try {
      const output = await handlers[name](input as never, abort.signal);
      scope.postMessage({ call, output } satisfies ReplyMessage);
    } catch (error) {
      scope.postMessage({ call, error: describe(error) } satisfies ReplyMessage);
    } finally {
      running.delete(call);
    }
  };
}

function describe(error: unknown): ReplyMessage["error"] {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const detail = "failure" in error ? error.failure : undefined;
  return { name: error.name, message: error.message, detail };
}
