/** A validated `tracestate` as the SDK wants it. The SDK's own class drops lists over 512 characters. */

import type { TraceState } from "@opentelemetry/api";

export class ForwardedTraceState implements TraceState {
  readonly #members: ReadonlyMap<string, string>;

  constructor(members: ReadonlyMap<string, string>) {
    this.#members = members;
  }

  /** From the normal form that `parseTracestate` returns. */
  static parse(tracestate: string): ForwardedTraceState {
    return new ForwardedTraceState(
      new Map(
        tracestate.split(",").map((member) => {
          const equals = member.indexOf("=");
          return [member.slice(0, equals), member.slice(equals + 1)];
        }),
      ),
    );
  }

  set(key: string, value: string): TraceState {
    const others = [...this.#members].filter(([other]) => other !== key);
    return new ForwardedTraceState(new Map([[key, value], ...others]));
  }

  unset(key: string): TraceState {
    return new ForwardedTraceState(
      new Map([...this.#members].filter(([other]) => other !== key)),
    );
  }

  get(key: string): string | undefined {
    return this.#members.get(key);
  }

  serialize(): string {
    return [...this.#members].map(([key, value]) => `${key}=${value}`).join(",");
  }
}
