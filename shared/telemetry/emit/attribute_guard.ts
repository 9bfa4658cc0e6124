/**
 * The cheap check at emission: an attribute or event that the registry does not have, or a value of
 * another type, is left out, counted, and told once at debug. Secrets are hidden. It never throws.
 */

import { withWholeUs } from "../../clock/whole_us.ts";
import { attributeSpec, isOfType, type SpanRole, SPANS } from "../registry/mod.ts";
import { redactValue } from "../log/redact.ts";
import type { Logger } from "../telemetry.ts";

export type AcceptedAttributes = Record<string, string | number | boolean | readonly string[]>;

export class AttributeGuard {
  readonly #log: Logger;
  readonly #told = new Set<string>();
  /** Attributes and events left out since the start. */
  rejected = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The attributes that may be recorded on a span of the role, without those deeper than `level`. */
  accept(
    role: SpanRole,
    attributes: Readonly<Record<string, unknown>>,
    level: number,
  ): AcceptedAttributes {
    const accepted: AcceptedAttributes = {};
    for (const name in attributes) {
      const value = attributes[name];
      if (value === undefined) continue;
      const spec = attributeSpec(role, name);
      if (spec === null || !isOfType(spec, value)) {
        this.#reject(role, `attribute ${name}`, spec === null ? "unknown" : `not ${spec.type}`);
      } else if ((spec.level ?? 1) <= level) {
        const shown = withWholeUs(name, value as AcceptedAttributes[string]);
        accepted[name] = redactValue(name, shown);
      }
    }
    return accepted;
  }

  /** Whether the role has the event. */
  acceptsEvent(role: SpanRole, event: string): boolean {
    const isKnown = Object.hasOwn(SPANS[role].events ?? {}, event);
    if (!isKnown) this.#reject(role, `event ${event}`, "unknown");
    return isKnown;
  }

  #reject(role: SpanRole, what: string, why: string): void {
    this.rejected += 1;
    const key = `${role} ${what}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#log.debug("left out of a span, once told", { role, what, why });
  }
}
