import type { SpanRole } from "../registry/mod.ts";
import type { ActiveSpan, Headers, Logger, SpanOptions } from "../telemetry.ts";

/**
 * A child below the configured level: its parent's ids, and nothing of its own. Its children are
 * children of the parent, so that a gap in the levels leaves no gap in the tree.
 */
export class UnrecordedSpan<R extends SpanRole> implements ActiveSpan<R> {
  readonly role: R;
  readonly #recorded: ActiveSpan;

  constructor(role: R, recorded: ActiveSpan) {
    this.role = role;
    this.#recorded = recorded;
  }

  get traceId(): string {
    return this.#recorded.traceId;
  }

  get spanId(): string {
    return this.#recorded.spanId;
  }

  get isSampled(): boolean {
    return this.#recorded.isSampled;
  }

  get isExported(): boolean {
    return this.#recorded.isExported;
  }

  get mayBeKept(): boolean {
    return this.#recorded.mayBeKept;
  }

  get level(): number {
    return this.#recorded.level;
  }

  get log(): Logger {
    return this.#recorded.log;
  }

  headers(): Headers {
    return this.#recorded.headers();
  }

  child<C extends SpanRole>(role: C, options?: SpanOptions<C>): ActiveSpan<C> {
    return this.#recorded.child(role, options);
  }

  set(): void {}
  event(): void {}
  link(): void {}
  fail(): void {}
  end(): void {}
}
