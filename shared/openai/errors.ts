/**
 * Errors of the OpenAI API: one class, and one table from code to HTTP status and OpenAI `type`.
 *
 * Every refusal that a client sees passes through here, so that a code always comes with the same
 * status and the same record: `rejected` where no worker took the request, `error` where one did.
 */

import type { Timings } from "./timings.ts";

interface ErrorKind {
  readonly status: 400 | 404 | 405 | 413 | 415 | 499 | 500 | 503 | 504;
  /** `error.type` of the envelope. */
  readonly type: "invalid_request_error" | "server_error" | "overloaded_error";
  /** What the request's end record says. */
  readonly outcome: "rejected" | "error" | "cancelled";
  /** The `error_type` label of metrics and logs: Dynamo's words. */
  readonly label:
    | "validation"
    | "not_found"
    | "overload"
    | "unavailable"
    | "cancelled"
    | "response_timeout"
    | "internal";
  /** Whether the same request may succeed a little later: such answers carry `Retry-After`. */
  readonly isRetryable: boolean;
}

function invalid(status: 400 | 405 | 413 | 415 = 400): ErrorKind {
  return {
    status,
    type: "invalid_request_error",
    outcome: "rejected",
    label: "validation",
    isRetryable: false,
  };
}

function notFound(): ErrorKind {
  return { ...invalid(), status: 404, label: "not_found" };
}

function server(
  status: 500 | 503 | 504,
  label: ErrorKind["label"],
  outcome: ErrorKind["outcome"],
): ErrorKind {
  const type = label === "overload" ? "overloaded_error" : "server_error";
  return { status, type, outcome, label, isRetryable: status === 503 };
}

export const ERROR_KINDS = {
  invalid_json: invalid(),
  invalid_value: invalid(),
  missing_required_parameter: invalid(),
  unknown_parameter: invalid(),
  unsupported_parameter: invalid(),
  context_length_exceeded: invalid(),
  invalid_chat_template: invalid(),
  unsupported_media_type: invalid(415),
  request_too_large: invalid(413),
  method_not_allowed: invalid(405),
  model_not_found: notFound(),
  not_found: notFound(),
  no_workers: server(503, "unavailable", "rejected"),
  overloaded: server(503, "overload", "rejected"),
  shutting_down: server(503, "unavailable", "rejected"),
  worker_failed: server(503, "unavailable", "error"),
  deadline_exceeded: server(504, "response_timeout", "error"),
  internal_error: server(500, "internal", "error"),
  /** Nobody reads this answer; it names the end record of a client that left. */
  client_closed_request: {
    status: 499,
    type: "invalid_request_error",
    outcome: "cancelled",
    label: "cancelled",
    isRetryable: false,
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

/** The envelope of every error answer and of errors inside a stream. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
  /** For a client that asked for them. */
  readonly timings?: Timings;
}

export interface ApiErrorOptions extends ErrorOptions {
  /** Path of the parameter at fault, such as `messages.0.content`. */
  readonly param?: string;
}

/** Longer ones are cut: a client's own words are in them, and every record of an error has them. */
const MAX_MESSAGE_CHARS = 1000;
const MAX_PARAM_CHARS = 200;

/** An error whose message a client may see. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly code: ErrorCode;
  readonly param: string | null;

  constructor(code: ErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(cut(message, MAX_MESSAGE_CHARS), options);
    this.code = code;
    this.param = options.param === undefined ? null : cut(options.param, MAX_PARAM_CHARS);
  }

  get kind(): ErrorKind {
    return ERROR_KINDS[this.code];
  }

  body(timings?: Timings): ErrorBody {
    return {
      error: {
        message: this.message,
        type: this.kind.type,
        param: this.param,
        code: this.code,
      },
      ...(timings && { timings }),
    };
  }
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

/** Anything thrown, as an ApiError: what is not one is `internal_error`, its text kept from clients. */
export function toApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  return new ApiError("internal_error", "Cannot answer: an internal error occurred", {
    cause: thrown,
  });
}
