import { assert, assertEquals } from "@std/assert/mod.js";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { ExportStats } from "./export_stats.ts";
import { UnsampledSpans } from "./unsampled_spans.ts";

const MEGABYTE = 1024 * 1024;

function create({ maxBytes = MEGABYTE, waitMs = 1000 } = {}) {
  const stats = new ExportStats();
  return { unsampled: new UnsampledSpans({ maxBytes, waitMs, share: 1 }, stats), stats };
}

function request(key: string, openRoots = 1) {
  return { key, openRoots, isLost: false };
}

function span(name: string, attributes = {}): ReadableSpan {
  return { name, attributes, events: [], links: [] } as unknown as ReadableSpan;
}

function names(spans: readonly ReadableSpan[]): string[] {
  return spans.map(({ name }) => name);
}

Deno.test("keep() gives what waited, and what comes later of the request is not held", () => {
  const { unsampled, stats } = create();
  const first = request("r1");
  assert(unsampled.takes([first], span("a")));
  assert(unsampled.takes([first], span("b")));
  assert(unsampled.takes([request("r2")], span("of another")));
  assertEquals(names(unsampled.keep("r1")), ["a", "b"]);
  assertEquals(unsampled.takes([first], span("late")), false);
  assertEquals(stats.heldSpans, 1);
});

Deno.test("keep() before any span of the request is remembered", () => {
  const { unsampled } = create();
  assertEquals(unsampled.keep("r1"), []);
  assertEquals(unsampled.takes([request("r1")], span("a")), false);
});

Deno.test("a span of a request that has ended already is let go after the time too", () => {
  const { unsampled, stats } = create({ waitMs: 1000 });
  unsampled.takes([request("r1", 0)], span("late"));
  assertEquals(stats.heldSpans, 1);
  unsampled.expire(performance.now() + 1001);
  assertEquals([stats.heldSpans, stats.expiredSpans], [0, 1]);
});

Deno.test("of very many requests that are kept, those are forgotten that were told of least lately", () => {
  const { unsampled } = create();
  for (let at = 0; at < 10_000; at++) unsampled.keep(`r${at}`);
  unsampled.keep("r0");
  unsampled.keep("one more");
  assertEquals(unsampled.takes([request("r0")], span("a")), false);
  assertEquals(unsampled.takes([request("r1")], span("b")), true);
});

Deno.test("a request that goes on here is never too old, however long it takes", () => {
  const { unsampled, stats } = create({ waitMs: 0 });
  unsampled.takes([request("r1")], span("a"));
  unsampled.expire(performance.now() + 1e9);
  assertEquals([stats.heldSpans, stats.expiredSpans], [1, 0]);
});

Deno.test("a request that ended here is let go after its time, with all that it still makes", () => {
  const { unsampled, stats } = create({ waitMs: 1000 });
  const ended = request("r1");
  unsampled.takes([ended], span("a"));
  unsampled.takes([ended], span("b"));
  ended.openRoots = 0;
  const beforeMs = performance.now();
  unsampled.ended(ended);
  unsampled.expire(beforeMs + 999);
  assertEquals(stats.heldSpans, 2);
  unsampled.expire(performance.now() + 1001);
  assertEquals([stats.heldSpans, stats.heldBytes, stats.expiredSpans], [0, 0, 2]);
  unsampled.takes([ended], span("late"));
  assertEquals(names(unsampled.keep("r1")), []);
});

Deno.test("a request that comes back here before its time goes on as long as it takes", () => {
  const { unsampled, stats } = create({ waitMs: 1000 });
  const first = request("r1", 0);
  unsampled.takes([first], span("a"));
  const again = request("r1");
  unsampled.takes([again], span("b"));
  unsampled.expire(performance.now() + 1e9);
  assertEquals([stats.heldSpans, stats.expiredSpans], [2, 0]);
});

Deno.test("the word that a request is kept is forgotten after the time", () => {
  const { unsampled } = create({ waitMs: 1000 });
  unsampled.keep("r1");
  unsampled.expire(performance.now() + 1001);
  assert(unsampled.takes([request("r1")], span("a")));
});

Deno.test("when memory is short, the ended request that waits longest goes first, as a whole", () => {
  const { unsampled, stats } = create({ maxBytes: 20_000 });
  const text = { "url.path": "x".repeat(2000) };
  const [going, old, newer] = [request("going"), request("old"), request("newer")];
  unsampled.takes([going], span("going", text));
  for (const each of [old, newer]) {
    unsampled.takes([each], span(`${each.key} 1`, text));
    each.openRoots = 0;
    unsampled.ended(each);
  }
  unsampled.takes([going], span("going 2", text));
  assertEquals(stats.evictedSpans, 1);
  assert(stats.heldBytes <= 20_000);
  assertEquals(names(unsampled.keep("old")), []);
  assertEquals(names(unsampled.keep("newer")), ["newer 1"]);
  assertEquals(names(unsampled.keep("going")), ["going", "going 2"]);
  assertEquals([stats.heldSpans, stats.heldBytes], [0, 0]);
});

Deno.test("a request that alone is more than the memory goes, and is not kept in part later", () => {
  const { unsampled, stats } = create({ maxBytes: 3000 });
  const large = request("r1");
  for (let i = 0; i < 5; i++) unsampled.takes([large], span(`${i}`));
  unsampled.keep("r1");
  assert(unsampled.takes([large], span("last")));
  assertEquals([stats.heldSpans, stats.evictedSpans], [0, 6]);
});

/** Requests' own spans, and those that they asked for in a quarter of the memory. */
function createBoth(maxBytes: number) {
  const stats = new ExportStats();
  const options = { maxBytes, waitMs: 1000 };
  return {
    ofRequests: new UnsampledSpans({ ...options, share: 1 }, stats),
    asked: new UnsampledSpans({ ...options, share: 0.25 }, stats),
    stats,
  };
}

Deno.test("spans that requests asked for push out no others", () => {
  const { ofRequests, asked, stats } = createBoth(16_000);
  ofRequests.takes([request("r1")], span("handle_payload"));
  const holders = [request("r1"), request("r2")];
  for (let step = 0; step < 4; step++) asked.takes(holders, span(`step ${step}`));
  assertEquals([stats.heldSpans, stats.evictedSpans], [1, 4]);
  assertEquals(names(ofRequests.keep("r1")), ["handle_payload"]);
  assertEquals(holders.map(({ isLost }) => isLost), [true, true]);
});

Deno.test("a span that several requests hold counts once, until the last of them is let go", () => {
  const { asked, stats } = createBoth(16_000);
  const long = request("long");
  for (const key of ["r1", "r2", "r3"]) {
    const short = request(key);
    asked.takes([long, short], span(`with ${key}`));
    short.openRoots = 0;
    asked.ended(short);
  }
  const bytes = stats.heldBytes;
  assertEquals(stats.heldSpans, 3);
  asked.expire(performance.now() + 1001);
  assertEquals([stats.heldSpans, stats.heldBytes, stats.expiredSpans], [3, bytes, 0]);
  asked.takes([long, request("r4")], span("one more"));
  assertEquals([stats.heldSpans, stats.heldBytes, stats.evictedSpans], [1, bytes / 3, 3]);
  assertEquals(long.isLost, true);
  assertEquals(names(asked.keep("r4")), ["one more"]);
});

Deno.test("a span that several requests hold leaves once, with the first that is kept", () => {
  const { asked, stats } = createBoth(16_000);
  const holders = [request("r1"), request("r2"), request("r3", 0)];
  asked.takes(holders, span("step 0"));
  assertEquals(names(asked.keep("r2")), ["step 0"]);
  assertEquals(asked.takes(holders, span("step 1")), false);
  assertEquals(names(asked.keep("r1")), []);
  asked.expire(performance.now() + 1001);
  assertEquals([stats.heldSpans, stats.heldBytes, stats.expiredSpans], [0, 0, 0]);
});
