import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import { findInTempo } from "./find_in_tempo.ts";
import { parseQuery } from "./request_query.ts";

const HEADERS = { authorization: "Basic abc" };
const TRACE_ID = "02f3d94a7c1b4e5f8a9b0c1d2e3f4a5b";
const OTHER_ID = "4bf92f3577b34da6a3ce929d0e0e4736";

interface Answers {
  readonly search?: unknown;
  readonly traces?: Readonly<Record<string, unknown>>;
  readonly status?: number;
}

/** A Tempo that answers as 3.x does; returns what it was asked. */
async function withTempo(
  answers: Answers,
  run: (url: string, asked: URL[]) => Promise<void>,
): Promise<void> {
  const asked: URL[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const url = new URL(request.url);
      asked.push(url);
      if (request.headers.get("authorization") !== HEADERS.authorization) {
        return new Response("unauthorized", { status: 401 });
      }
      if (answers.status !== undefined) {
        return new Response("invalid TraceQL query", { status: answers.status });
      }
      if (url.pathname === "/api/search") return Response.json({ traces: answers.search ?? [] });
      const id = url.pathname.split("/").at(-1) ?? "";
      return Response.json(answers.traces?.[id] ?? { trace: {}, metrics: {} });
    },
  );
  await run(`http://127.0.0.1:${server.addr.port}`, asked);
}

function traceOf(id: string) {
  return {
    trace: {
      resourceSpans: [{
        resource: {
          attributes: [{ key: "service.name", value: { stringValue: "baton-frontend" } }],
        },
        scopeSpans: [{
          spans: [{
            traceId: Uint8Array.fromHex(id).toBase64(),
            spanId: "Ju5SymIntCI=",
            name: "http-request",
            kind: "SPAN_KIND_SERVER",
            startTimeUnixNano: "1795543304845235456",
            endTimeUnixNano: "1795543305145235456",
            status: {},
          }],
        }],
      }],
    },
    metrics: { inspectedBytes: "1" },
  };
}

const TRACES = { [TRACE_ID]: traceOf(TRACE_ID), [OTHER_ID]: traceOf(OTHER_ID) };
/** As search answers: hex without leading zeros. */
const HITS = [
  { traceID: TRACE_ID.slice(1), startTimeUnixNano: "2000", durationMs: 5 },
  { traceID: OTHER_ID, startTimeUnixNano: "1000", durationMs: 50 },
];

async function traceFound(request: string, url: string): Promise<string | undefined> {
  return (await findInTempo(parseQuery(request), { url, headers: HEADERS })).spans[0]?.traceId;
}

Deno.test("findInTempo fetches a trace by its id", async () => {
  await withTempo({ traces: TRACES }, async (url, asked) => {
    assertEquals(await traceFound(TRACE_ID, url), TRACE_ID);
    assertEquals(asked.map(({ pathname }) => pathname), [`/api/v2/traces/${TRACE_ID}`]);
  });
});

Deno.test("findInTempo finds the last and the slowest request of a search", async () => {
  await withTempo({ traces: TRACES, search: HITS }, async (url, asked) => {
    assertEquals(await traceFound("last", url), TRACE_ID);
    assertEquals(await traceFound("slow", url), OTHER_ID);
    assertEquals(asked[0]?.searchParams.get("q"), '{ name = "http-request" }');
  });
});

Deno.test("findInTempo asks for a request's ids as text that cannot end the query", async () => {
  await withTempo({ traces: TRACES, search: HITS.slice(0, 1) }, async (url, asked) => {
    assertEquals(await traceFound('my-"req" }', url), TRACE_ID);
    assertEquals(
      asked[0]?.searchParams.get("q"),
      '{ name = "http-request" && (span.x_request_id = "my-\\"req\\" }" || ' +
        'span.request_id = "my-\\"req\\" }") }',
    );
  });
});

Deno.test("findInTempo says what it did not find, or what Tempo answered instead", async () => {
  await withTempo({}, async (url) => {
    const { message } = await assertRejects(() => traceFound(OTHER_ID, url), Error);
    assertStringIncludes(message, `Cannot find request ${OTHER_ID}`);
  });
  await withTempo({ status: 400 }, async (url) => {
    const { message } = await assertRejects(() => traceFound("last", url), Error);
    assertStringIncludes(message, "it answered 400 invalid TraceQL query");
  });
  await withTempo({ status: 302 }, async (url) => {
    const { message } = await assertRejects(() => traceFound("last", url), Error);
    assertStringIncludes(message, "it answered 302");
  });
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  const url = `http://127.0.0.1:${closed.addr.port}`;
  const { message } = await assertRejects(() => traceFound("last", url), Error);
  assertStringIncludes(message, `Cannot ask Tempo at ${url}/api/search`);
  assertStringIncludes(message, "Connection refused");
});
