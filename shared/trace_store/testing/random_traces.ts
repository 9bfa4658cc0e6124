/** Random traces and queries about them, the same for the same seed. */

import type { Attribute, AttributeValue, SpanData } from "../../otlp/mod.ts";
import { SPAN_KINDS, SPAN_STATUSES } from "../../otlp/mod.ts";

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  hex(bytes: number): string {
    return Array.from({ length: bytes }, () => this.below(256).toString(16).padStart(2, "0"))
      .join("");
  }
}

export const BASE_NS = 1_795_541_600_000_000_000n;

/** A trace of up to a dozen spans with parents that may be missing. */
export function randomTrace(random: Random, index: number): SpanData[] {
  const traceId = random.hex(16);
  const startNs = BASE_NS + BigInt(index) * 1_000_000_000n + BigInt(random.below(1e9));
  const spans: SpanData[] = [];
  const count = 1 + random.below(12);
  for (let number = 0; number < count; number++) {
    const spanStart = startNs + BigInt(random.below(1e9));
    const isRoot = number === 0 ? random.chance(0.9) : random.chance(0.05);
    spans.push({
      traceId,
      spanId: random.hex(8),
      parentSpanId: isRoot
        ? ""
        : spans.length > 0 && random.chance(0.9)
        ? random.pick(spans).spanId
        : random.hex(8),
      name: random.pick(["root", "queue", "prefill", "decode", ""]),
      kind: random.pick(SPAN_KINDS),
      startNs: spanStart,
      endNs: spanStart + BigInt(random.pick([0, 1, 1e6, 5e6, 1e9, random.below(2e9)])),
      status: random.pick(SPAN_STATUSES),
      statusMessage: random.chance(0.2) ? "boom" : "",
      attributes: randomAttributes(random),
      events: Array.from({ length: random.chance(0.3) ? 1 + random.below(3) : 0 }, () => ({
        timeNs: spanStart + BigInt(random.below(1e9)),
        name: random.pick(["first", "last"]),
        attributes: randomAttributes(random),
      })),
      links: Array.from({ length: random.chance(0.2) ? 1 + random.below(2) : 0 }, () => ({
        traceId: random.hex(16),
        spanId: random.hex(8),
        attributes: randomAttributes(random),
      })),
      resource: randomResource(random),
      scope: { name: random.pick(["lib", "app"]), version: "1", attributes: [] },
    });
  }
  return spans;
}

function randomResource(random: Random): SpanData["resource"] {
  if (random.chance(0.1)) return { attributes: [], serviceName: "" };
  const serviceName = random.pick(["frontend", "prefill", "decode"]);
  return {
    attributes: [
      { key: "service.name", value: { type: "string", value: serviceName } },
      ...(random.chance(0.3) ? [{ key: "a", value: randomValue(random) }] : []),
    ],
    serviceName,
  };
}

function randomAttributes(random: Random): Attribute[] {
  return ["a", "b", "c", "id", "service.name"]
    .filter((key) => random.chance(key === "service.name" ? 0.02 : 0.4))
    .map((key) => ({
      key,
      value: key === "id"
        ? { type: "string" as const, value: `r${random.below(500)}` }
        : randomValue(random),
    }));
}

function randomValue(random: Random): AttributeValue {
  switch (random.below(7)) {
    case 0:
      return { type: "string", value: random.pick(["x", "y", "xyz", ""]) };
    case 1:
      return { type: "bool", value: random.chance(0.5) };
    case 2:
      return { type: "float", value: random.pick([0, 1.5, 2, -3, 0.25]) };
    case 3:
      return {
        type: "array",
        value: Array.from({ length: random.below(3) }, () => ({
          type: "int" as const,
          value: random.below(4),
        })),
      };
    case 4:
      return { type: "int", value: random.pick([0, 1, 2, 3, 2n ** 60n + 1n]) };
    default:
      return { type: "int", value: random.below(200) };
  }
}

const LEAVES = [
  'name = "root"',
  'name != "queue"',
  'name =~ "de.*"',
  'name !~ "root|queue"',
  'name >= "prefill"',
  "kind = server",
  "kind != client",
  "status = error",
  "duration > 1ms",
  "duration <= 5ms",
  "duration = 1s",
  "span.a = 2",
  "span.a != 2",
  "span.a > 1.5",
  'span.a = "x"',
  'span.b =~ "x.*"',
  "span.b = true",
  "span.b",
  "!span.b",
  "span.c != nil",
  "span.c = nil",
  "span.a = 1152921504606846977",
  "span.a = span.b",
  "span.a + 1 > span.b * 2",
  "-span.a < -1",
  "2 ^ 2 ^ 1 = span.a",
  ".a = 3",
  ".a != 3",
  '.service.name = "decode"',
  'resource.service.name = "frontend"',
  'resource.service.name != "frontend"',
  "resource.a > 0",
  'span.id = "r7"',
  '.id = "r123"',
  'span.id = "absent"',
  'event:name = "first" && event.a > 1',
  "event:timeSinceStart > 300ms",
  "event.b != nil",
  "span.absent = nil",
  "span.absent != nil",
  "link.a = 1 || link.b = 2",
  'link:spanID != ""',
  'instrumentation:name = "lib"',
  "nestedSetParent < 0",
  "nestedSetParent = 1",
  "nestedSetLeft > 3",
  "span:childCount > 1",
  'rootName = "root"',
  'rootServiceName = "decode"',
  "traceDuration > 1s",
  'statusMessage = "boom"',
  "true",
];

const STRUCTURAL = [">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~", "&>", "&>>", "&~"];

/** A query over what `randomTrace` makes. */
export function randomQuery(random: Random): string {
  const stages = [randomSpanset(random, 2)];
  while (random.chance(0.3)) {
    stages.push(random.pick([
      "count() > 1",
      "count() = 2",
      "avg(duration) > 10ms",
      "max(span.a) >= 2",
      "min(span.a) < 1",
      "sum(span.b) > 3",
      "by(resource.service.name)",
      "by(name)",
      "coalesce()",
      "select(span.a)",
      "{ span.a > 1 }",
    ]));
  }
  return stages.join(" | ");
}

function randomSpanset(random: Random, depth: number): string {
  if (depth > 0 && random.chance(0.35)) {
    const op = random.chance(0.4) ? random.pick(["&&", "||"]) : random.pick(STRUCTURAL);
    return `(${randomSpanset(random, depth - 1)} ${op} ${randomSpanset(random, depth - 1)})`;
  }
  if (depth > 0 && random.chance(0.1)) return `(${randomSpanset(random, 0)} | count() > 1)`;
  return random.chance(0.05) ? "{ }" : `{ ${randomCondition(random, 2)} }`;
}

function randomCondition(random: Random, depth: number): string {
  if (depth > 0 && random.chance(0.4)) {
    const left = randomCondition(random, depth - 1);
    return `(${left} ${random.pick(["&&", "||"])} ${randomCondition(random, depth - 1)})`;
  }
  if (depth > 0 && random.chance(0.15)) return `!(${randomCondition(random, depth - 1)})`;
  return random.pick(LEAVES);
}
