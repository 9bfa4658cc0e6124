/**
 * A Tempo that answers what 3.0.3 answered when its samples were taken, in its exact shapes, to whoever
 * has the right credentials.
 */

const SAMPLES = new URL("../testdata/tempo_api/", import.meta.url);

export const FAKE_TEMPO_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

export interface FakeTempo extends AsyncDisposable {
  /** With a path, as hosted ones have it. */
  readonly url: string;
  readonly headers: { readonly authorization: string };
  /** Paths with queries, as they came. */
  readonly asked: readonly string[];
  /** Bodies that came to `/otlp/v1/traces`. */
  readonly spans: readonly unknown[];
}

type Json = Readonly<Record<string, unknown>>;

function sample(name: string): Json {
  return JSON.parse(Deno.readTextFileSync(new URL(`${name}.json`, SAMPLES))).response.body;
}

export function startFakeTempo(): FakeTempo {
  const asked: string[] = [];
  const spans: unknown[] = [];
  const headers = { authorization: "Basic dGVtcG86c2VjcmV0" };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search, searchParams } = new URL(request.url);
    asked.push(pathname + search);
    if (request.headers.get("authorization") !== headers.authorization) {
      return new Response("unauthorized", { status: 401 });
    }
    if (pathname === "/otlp/v1/traces") {
      spans.push(await request.json());
      return Response.json(sample("otlp_push_ok"));
    }
    const answer = answerTo(pathname.replace(/^\/tempo/, ""), searchParams.get("q") ?? "");
    return answer instanceof Response ? answer : Response.json(answer);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/tempo`,
    headers,
    asked,
    spans,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function answerTo(path: string, q: string): Json | Response {
  if (path === `/api/v2/traces/${FAKE_TEMPO_TRACE}`) {
    // The v2 sample was cut to one resource; the same spans are whole in that of v1.
    const { batches } = sample("trace_v1_json");
    return { ...sample("trace_v2_json"), trace: { resourceSpans: batches } };
  }
  if (path.startsWith("/api/v2/traces/")) return sample("trace_v2_404");
  if (path === "/api/search") {
    return q.startsWith("{ nonsense")
      ? new Response("invalid TraceQL query: parse error at line 1, col 3", { status: 400 })
      : sample("search_request_id");
  }
  if (path === "/api/metrics/query") {
    // Who calls whom was not asked when the samples were taken.
    if (q.includes("} > {")) return new Response("unsupported query", { status: 400 });
    return q.includes("count_over_time") ? sample("metrics_instant") : instantHistogram();
  }
  if (path === "/api/metrics/query_range") {
    return sample(q.includes("quantile") ? "metrics_range_quantile" : "metrics_range_count");
  }
  return new Response("404 page not found", { status: 404 });
}

/** The recorded histogram as an instant query has it, of one service. */
function instantHistogram(): Json {
  const { series } = sample("metrics_range_histogram") as {
    series: { labels: unknown[]; samples: { value?: number }[] }[];
  };
  const service = { key: "resource.service.name", value: { stringValue: "prefill" } };
  return {
    series: series.map(({ labels, samples }) => ({
      labels: [service, ...labels],
      value: samples.at(-1)?.value,
    })),
    metrics: { completedJobs: 1, totalJobs: 1 },
  };
}
