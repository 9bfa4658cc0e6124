/** Why a caller gave up a call: a header of the cancel message, so that the worker can say it too. */

const HEADER = "x-cancellation-signal";

const SIGNALS = [
  /** The client left. */
  "client_disconnect",
  /** The text met a stop string: the request is a success. */
  "stop_string",
  /** The attempt ended or failed without this call. */
  "superseded",
  "deadline",
  "shutdown",
] as const;

export type CancellationSignal = (typeof SIGNALS)[number];

/** The header that carries the signal. */
export function cancellationHeaders(signal: CancellationSignal): Readonly<Record<string, string>> {
  return { [HEADER]: signal };
}

/** Null where the message names none that this version knows. */
export function cancellationSignal(
  headers: Readonly<Record<string, string>>,
): CancellationSignal | null {
  return SIGNALS.find((signal) => signal === headers[HEADER]) ?? null;
}
