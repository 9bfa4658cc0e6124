/**
 * Every request that was sent to Tempo 3.0.3, sent to the service on the same spans: same status, same
 * answer. What Tempo leaves open is brought into one order before comparing: attributes, series,
 * values; figures of its own work (`metrics`) and which span stands for a series (`exemplars`) are
 * compared by their shape.
 */

import { assertEquals } from "@std/assert/mod.js";
import { ByteBudget } from "./byte_budget.ts";
import { createReceiver } from "./otlp_receiver.ts";
import { createQueryApi } from "./query_api.ts";
import { openStore } from "./testing/open_store.ts";

interface Sample {
  readonly request: { method: string; path: string; headers: Record<string, string> };
  readonly response: {
    status: number;
    headers: Record<string, string>;
    body?: Json;
    bodyText?: string;
  };
  readonly note?: string;
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const SAMPLES = new URL("./testdata/tempo_api/", import.meta.url);
const PUSH = "otlp_push_body.json";
/** The one request whose range Tempo cuts, because it hides the last 30 seconds of its data. */
const WITHOUT_LAST_SECONDS = ["&end=1795541751&step=60s", "&end=1795541700&step=60s"] as const;

function sampleNames(prefix: RegExp): string[] {
  return [...Deno.readDirSync(SAMPLES)].map(({ name }) => name)
    .filter((name) => prefix.test(name) && name !== PUSH).sort();
}

function readSample(name: string): Sample {
  return JSON.parse(Deno.readTextFileSync(new URL(name, SAMPLES)));
}

/** The pushed body with the ids and times that the answers were recorded with. */
function recordedBody(): string {
  let body = JSON.stringify(JSON.parse(Deno.readTextFileSync(new URL(PUSH, SAMPLES))));
  const answer = readSample("trace_v1_json.json").response.body as unknown;
  const { batches } = answer as { batches: RecordedBatch[] };
  const recorded = batches.flatMap(spansOf);
  const pushed: PushedSpan[] = JSON.parse(body).resourceSpans.flatMap(spansOf);
  for (const span of pushed) {
    const match = recorded.find(({ name }) => name === span.name);
    if (match === undefined) throw new Error(`no recorded span is named ${span.name}`);
    const spanId = Uint8Array.fromBase64(match.spanId).toHex();
    body = body.replaceAll(span.spanId, spanId)
      .replace(timesOf(span), timesOf(match));
    for (const [index, event] of (span.events ?? []).entries()) {
      body = body.replace(event.timeUnixNano, match.events?.[index]?.timeUnixNano ?? "");
    }
  }
  return body;
}

interface PushedSpan {
  readonly name: string;
  readonly spanId: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly events?: { readonly timeUnixNano: string }[];
}

interface RecordedBatch {
  readonly scopeSpans: { readonly spans: PushedSpan[] }[];
}

function spansOf(batch: RecordedBatch): PushedSpan[] {
  return batch.scopeSpans.flatMap(({ spans }) => spans);
}

function timesOf(span: PushedSpan): string {
  return `"startTimeUnixNano":"${span.startTimeUnixNano}","endTimeUnixNano":"${span.endTimeUnixNano}"`;
}

/** A request's own path, its query encoded. */
function urlOf(path: string): string {
  const [pathname, query = ""] = path.replace(...WITHOUT_LAST_SECONDS).split(/\?(.*)/s);
  // Values may contain "=" and spaces, never "&" that is not a separator or part of "&&".
  const pairs = query === "" ? [] : query.split(/(?<!&)&(?!&)(?=\w+=)/);
  const parameters = new URLSearchParams(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  return `http://tempo${pathname}?${parameters}`;
}

function normal(value: Json, key = ""): Json {
  if (key === "exemplars" && Array.isArray(value)) return value.map(shape);
  if (key === "metrics" && typeof value === "object") return "metrics";
  if (Array.isArray(value)) {
    const items = value.map((item) => normal(item));
    const isSet = ["attributes", "labels", "series", "tagValues", "tagNames", "batches"].includes(
      key,
    );
    return isSet ? items.sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1) : items;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.keys(value).sort().map((name) => [name, normal(value[name], name)]),
  );
}

/** Types instead of values. */
function shape(value: Json): Json {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(
    Object.keys(value).sort().map((name) => [name, shape(value[name])]),
  );
}

/** Series without the exemplars: which series has one is Tempo's random choice. */
function withoutExemplars(body: Json): Json {
  const { series, ...rest } = body as { series: { [key: string]: Json }[] };
  return { ...rest, series: series.map(({ exemplars: _, ...one }) => one) };
}

function exemplarsOf(body: Json): Json {
  const { series } = body as { series: { exemplars?: Json[] }[] };
  const [first] = series.flatMap(({ exemplars }) => exemplars ?? []);
  return first === undefined ? null : shape(first);
}

Deno.test("the query API answers each recorded request as Tempo did", async (test) => {
  await using open = await openStore();
  const receiver = createReceiver({
    store: open.store,
    maxBodyBytes: 1 << 20,
    budget: new ByteBudget(1 << 20),
    onExport: () => {},
    bodyTimeoutMs: 5_000,
    onOutage: () => {},
  });
  const pushed = await receiver(
    new Request("http://tempo/v1/traces", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: recordedBody(),
    }),
  );
  assertEquals(pushed.status, 200, await pushed.text());
  const api = createQueryApi({
    store: open.store,
    version: "0",
    isReady: () => true,
    onQuery: () => {},
  });

  for (const name of sampleNames(/^(?!otlp_)/)) {
    await test.step(name, async () => {
      const { request, response, note } = readSample(name);
      const answer = await api.request(urlOf(request.path));
      assertEquals(answer.status, response.status);
      const text = await answer.text();
      const type = response.headers["Content-Type"];
      if (type !== undefined) {
        assertEquals(answer.headers.get("content-type")?.split(";")[0], type.split(";")[0]);
      }
      if (name === "status_version.json") {
        assertEquals(text.split("\n")[1]?.split(" (")[0], "tempo, version v3.0.3");
      } else if (response.body === undefined) {
        assertEquals(text, response.bodyText);
      } else if (name === "api_status_buildinfo.json") {
        assertEquals(shape(JSON.parse(text)), shape(response.body));
      } else if (name === "trace_v2_json.json") {
        assertEquals(note?.startsWith("only the prefill resourceSpans kept"), true);
        assertEquals(normal(onlyPrefill(JSON.parse(text))), normal(response.body));
      } else if (name.startsWith("metrics_")) {
        assertEquals(exemplarsOf(JSON.parse(text)), exemplarsOf(response.body));
        assertEquals(
          normal(withoutExemplars(JSON.parse(text))),
          normal(withoutExemplars(response.body)),
        );
      } else {
        assertEquals(normal(JSON.parse(text)), normal(response.body));
      }
    });
  }
});

function onlyPrefill(body: { trace: { resourceSpans: Json[] } }): Json {
  const resourceSpans = body.trace.resourceSpans.filter((one) =>
    JSON.stringify(one).includes("pf-1")
  );
  return { ...body, trace: { resourceSpans } };
}

Deno.test("the receiver answers each recorded push as Tempo did", async (test) => {
  await using open = await openStore();
  const receiver = createReceiver({
    store: open.store,
    maxBodyBytes: 1 << 20,
    budget: new ByteBudget(1 << 20),
    onExport: () => {},
    bodyTimeoutMs: 5_000,
    onOutage: () => {},
  });
  const bodies: Record<string, string | undefined> = {
    "otlp_get.json": undefined,
    "otlp_push_badid.json":
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abc","spanId":"01","name":"x"}]}]}]}',
    "otlp_push_badjson.json": '{"resourceSpans":',
    "otlp_push_ok.json": '{"resourceSpans":[]}',
    "otlp_push_wrongct.json": "x",
  };
  for (const name of sampleNames(/^otlp_/)) {
    await test.step(name, async () => {
      const { request, response } = readSample(name);
      const answer = await receiver(
        new Request(`http://tempo${request.path}`, {
          method: request.method,
          headers: request.headers,
          body: bodies[name],
        }),
      );
      const text = await answer.text();
      assertEquals(answer.status, response.status);
      assertEquals(answer.headers.get("content-type"), response.headers["Content-Type"]);
      if (response.body === undefined) assertEquals(text, response.bodyText);
      else if (answer.status === 200) assertEquals(JSON.parse(text), response.body);
      else {
        const { code, message } = JSON.parse(text);
        assertEquals(code, (response.body as { code: number }).code);
        assertEquals(typeof message, "string");
      }
    });
  }
});
