/** Settings of the frontend, apart from where it listens. */
export interface FrontendOptions {
  readonly maxBodyBytes: number;
  /** Requests in progress; one more is refused with 503 and Retry-After. */
  readonly maxInflight: number;
  /** Time that a request may take in all. */
  readonly requestTimeoutMs: number;
  /** Times that a request may move to another worker after one failed. */
  readonly migrationLimit: number;
  /** Prompts up to this many tokens are computed by the decode worker itself. */
  readonly localPrefillMaxTokens: number;
  /** Silence in a stream after which a comment is written. */
  readonly keepAliveIntervalMs: number;
  /** Time that fetching a model card from a worker may take. */
  readonly cardTimeoutMs: number;
  /** Time for which a request waits for a worker to come back, from when it has gone. */
  readonly workerReturnMs: number;
}
