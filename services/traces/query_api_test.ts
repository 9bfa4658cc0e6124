import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { encodeSpans } from "../../shared/otlp/testing/encode_spans.ts";
import { readSpans } from "../../shared/otlp/mod.ts";
import {
  QueryCancelledError,
  QueryTimeoutError,
  StoreError,
  type TraceStore,
} from "../../shared/trace_store/mod.ts";
import { BASE_NS, Random, randomTrace } from "../../shared/trace_store/testing/random_traces.ts";
import type { ObservedQuery } from "../../shared/telemetry/metrics/mod.ts";
import { QueryLimitError } from "../../shared/traceql/mod.ts";
import { createQueryApi } from "./query_api.ts";
import { openStore } from "./testing/open_store.ts";

const SECOND = Number(BASE_NS / 1_000_000_000n);
const TRACES = Array.from({ length: 30 }, (_, index) => randomTrace(new Random(index + 1), index));

function apiOf(
  store: Pick<TraceStore, "trace" | "search" | "metrics" | "tagKeys" | "tagValues">,
  onQuery: (query: ObservedQuery) => void = () => {},
) {
  return createQueryApi({
    store,
    version: "0",
    isReady: () => true,
    onQuery,
    now: () => SECOND * 1000,
  });
}

async function withApi(body: (get: (path: string) => Promise<Response>) => Promise<void>) {
  await using open = await openStore();
  await open.store.write(encodeSpans(TRACES.flat()));
  const api = apiOf(open.store);
  await body(async (path) => await api.request(`http://tempo${path}`));
}

async function statusAndText(answer: Response): Promise<[number, string]> {
  return [answer.status, await answer.text()];
}

Deno.test("a trace by id comes as protobuf when that is asked for", async () => {
  await using open = await openStore();
  await open.store.write(encodeSpans(TRACES[0]));
  const api = apiOf(open.store);
  const headers = { accept: "application/protobuf" };
  const v1 = await api.request(`/api/traces/${TRACES[0][0].traceId}`, { headers });
  assertEquals(v1.headers.get("content-type"), "application/protobuf");
  const bytes = await v1.bytes();
  const ids = (spans: readonly { spanId: string }[]) => spans.map(({ spanId }) => spanId).sort();
  assertEquals(ids(readSpans(bytes)), ids(TRACES[0]));
  const v2 = await (await api.request(`/api/v2/traces/${TRACES[0][0].traceId}`, { headers }))
    .bytes();
  // Field 1 of the response is the trace itself.
  assertEquals(v2[0], 10);
  assertEquals(v2.length > bytes.length, true);
  const missing = await api.request("/api/v2/traces/1", { headers });
  assertEquals([missing.status, (await missing.bytes()).length], [200, 4]);
});

Deno.test("a trace id may lack leading zeros and be upper-case", async () => {
  await using open = await openStore();
  const traceId = `${"0".repeat(20)}abcdef012345`;
  await open.store.write(encodeSpans([{ ...TRACES[0][0], traceId }]));
  const api = apiOf(open.store);
  assertEquals((await api.request("/api/traces/ABCDEF012345")).status, 200);
  const { traces } = await (await api.request("/api/search?q={}")).json();
  assertEquals(traces[0].traceID, "abcdef012345");
  const q = encodeURIComponent('{ trace:id = "abcdef012345" }');
  assertEquals((await (await api.request(`/api/search?q=${q}`)).json()).traces.length, 1);
});

Deno.test("search keeps to its limit, its range and the duration of traces", async () => {
  await withApi(async (get) => {
    const count = async (query: string) =>
      (await (await get(`/api/search?q={}&${query}`)).json()).traces.length;
    assertEquals(await count("limit=7"), 7);
    assertEquals(await count("limit=100"), 30);
    const inRange = TRACES.filter((trace) => {
      const starts = trace.map(({ startNs }) => startNs);
      const ends = trace.map(({ endNs }) => endNs);
      const [from, to] = [
        BigInt(SECOND + 10) * 1_000_000_000n,
        BigInt(SECOND + 20) * 1_000_000_000n,
      ];
      return starts.some((start) => start < to + 1_000_000_000n) && ends.some((end) => end >= from);
    });
    assertEquals(await count(`limit=100&start=${SECOND + 10}&end=${SECOND + 20}`), inRange.length);
    assertEquals(await count("limit=100&minDuration=1h"), 0);
    assertEquals(await count("limit=100&maxDuration=1h"), 30);
    const { traces } = await (await get("/api/search?q={}&spss=1&limit=100")).json();
    for (const { spanSet } of traces) {
      assertEquals(spanSet.spans.length, 1);
      assertEquals(spanSet.matched >= 1, true);
    }
  });
});

Deno.test("wrong parameters are refused with 400 and their name", async () => {
  await withApi(async (get) => {
    const cases: [string, string][] = [
      ["/api/search?q={}&limit=x", "invalid limit"],
      ["/api/search?q={}&spss=-1", "invalid spss"],
      ["/api/search?q={}&start=20&end=10", "http parameter start must be before end"],
      ["/api/search?q={}&start=soon", "invalid start"],
      ["/api/search?q={}&minDuration=long", "invalid minDuration"],
      ["/api/search?tags=x", "invalid tags"],
      ["/api/search?q={}|rate()", "not a search query"],
      ["/api/search?q={%20.a%20}|topk(1)", "topk() is not supported"],
      ["/api/metrics/query_range?q={}|rate()&start=10&end=5", "end must be greater than start"],
      ["/api/metrics/query_range?q={}|rate()&step=0", "step must be greater than 0"],
      ["/api/metrics/query_range?q={}|rate()&step=fast", "invalid step"],
      ["/api/metrics/query_range?q={}|rate()&step=1ms", "maximum resolution"],
      [`/api/traces/${"1".repeat(33)}`, "larger than 128 bits"],
    ];
    for (const [path, words] of cases) {
      const [status, text] = await statusAndText(await get(path));
      assertEquals(status, 400, path);
      assertStringIncludes(text, words);
    }
    assertEquals((await get("/api/nothing")).status, 404);
  });
});

Deno.test("tags and their values can be limited to a scope and to matching spans", async () => {
  await withApi(async (get) => {
    const { scopes } = await (await get("/api/v2/search/tags?scope=resource")).json();
    assertEquals(scopes, [{ name: "resource", tags: ["a", "service.name"] }]);
    const q = encodeURIComponent('{ resource.service.name = "decode" }');
    const { tagValues } =
      await (await get(`/api/v2/search/tag/resource.service.name/values?q=${q}`)).json();
    assertEquals(tagValues, [{ type: "string", value: "decode" }]);
    const roots = await (await get("/api/v2/search/tag/rootName/values")).json();
    const names = new Set(
      TRACES.flat().filter(({ parentSpanId, name }) => parentSpanId === "" && name !== "")
        .map(({ name }) => name),
    );
    assertEquals(
      roots.tagValues.map(({ value }: { value: string }) => value).sort(),
      [...names].sort(),
    );
  });
});

Deno.test("failures of the store are told with their own status", async () => {
  const cases: [Error, number][] = [
    [new QueryTimeoutError("the query took longer than 30 s"), 504],
    [new QueryLimitError("Cannot match a text of 1000000 characters"), 400],
    [new StoreError("corrupt", "Cannot read the trace database"), 503],
    [new Error("surprise"), 500],
  ];
  for (const [error, status] of cases) {
    const fail = () => Promise.reject(error);
    const api = apiOf({ trace: fail, search: fail, metrics: fail, tagKeys: fail, tagValues: fail });
    const [answered, text] = await statusAndText(await api.request("/api/search?q={}"));
    assertEquals(answered, status);
    assertStringIncludes(text, error.message);
  }
});

Deno.test("each query is told of with its kind and how it ended", async () => {
  await using open = await openStore();
  const queries: [string, number][] = [];
  const api = apiOf(open.store, ({ kind, status }) => queries.push([kind, status]));
  const paths = [
    `/api/v2/traces/${"1".repeat(32)}`,
    "/api/traces/x",
    "/api/search?q={",
    "/api/metrics/query?q={}|rate()",
    "/api/v2/search/tags",
    "/api/v2/search/tag/name/values",
    "/api/echo",
    "/ready",
  ];
  for (const path of paths) await (await api.request(path)).body?.cancel();
  assertEquals(queries, [
    ["trace", 200],
    ["trace", 400],
    ["search", 400],
    ["metrics", 200],
    ["tags", 200],
    ["tags", 200],
  ]);
});

Deno.test("a trace is found by its id, and readiness told, while as many searches run as may", async () => {
  await using open = await openStore();
  await open.store.write(encodeSpans(TRACES[0]));
  const held = Promise.withResolvers<void>();
  const { store } = open;
  const api = apiOf({
    trace: (id) => store.trace(id),
    metrics: (input) => store.metrics(input),
    tagKeys: (range) => store.tagKeys(range),
    tagValues: (options) => store.tagValues(options),
    search: async (options) => {
      await held.promise;
      return await store.search(options);
    },
  });
  const status = async (path: string) => {
    const answer = await api.request(path);
    await answer.body?.cancel();
    return answer.status;
  };
  const searches = Array.from({ length: 64 }, () => status("/api/search?q={}"));
  for (const path of ["/api/search?q={}", "/api/search/tags", "/api/metrics/query?q={}|rate()"]) {
    assertEquals(await status(path), 429, path);
  }
  for (const path of [`/api/traces/${TRACES[0][0].traceId}`, "/ready", "/api/echo"]) {
    assertEquals(await status(path), 200, path);
  }
  held.resolve();
  assertEquals(new Set(await Promise.all(searches)), new Set([200]));
  assertEquals(await status("/api/search?q={}"), 200);
});

Deno.test("a query ends when its client leaves, and is counted as such", async () => {
  const queries: [string, number][] = [];
  const untilAborted = (_: unknown, signal?: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(new QueryCancelledError()));
    });
  const api = apiOf({
    trace: () => Promise.reject(new Error("not asked")),
    search: untilAborted,
    metrics: untilAborted,
    tagKeys: untilAborted,
    tagValues: untilAborted,
  }, ({ kind, status }) => queries.push([kind, status]));
  const paths = [
    "/api/search?q={}",
    "/api/metrics/query?q={}|rate()",
    "/api/v2/search/tags",
    "/api/v2/search/tag/.a/values",
  ];
  for (const path of paths) {
    const leave = new AbortController();
    const answer = api.request(new Request(`http://tempo${path}`, { signal: leave.signal }));
    leave.abort();
    assertEquals((await answer).status, 499, path);
  }
  assertEquals(queries, [["search", 499], ["metrics", 499], ["tags", 499], ["tags", 499]]);
});
