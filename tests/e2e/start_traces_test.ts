/** What `start` sets up of tracing by itself: export on, and a store that has the request. */

import { assertEquals, assertMatch } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { FAKE_TEMPO_TRACE, startFakeTempo } from "../../services/traces/testing/fake_tempo.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

interface FoundTrace {
  readonly traceID: string;
  readonly rootTraceName: string;
  readonly serviceStats: Record<string, { readonly spanCount: number }>;
}

Deno.test({
  name: "start keeps the trace of each request",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    await using stack = await Stack.start({
      model: "stories15m",
      hasTraces: true,
      env: {
        DYN_TRACES_DB: join(folder, "traces.db"),
        OTEL_EXPORT_ENABLED: "",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "",
      },
    });
    const line = await stack.waitForOutput(/^ {2}traces +http:\S+ .*OTLP at http:\S+$/m);
    const queryUrl = /http:\S+/.exec(line)?.[0] ?? "";
    const body = { model: "stories15m", prompt: "Once", max_tokens: 4, temperature: 0 };
    const response = await stack.post("completions", body, {
      headers: { "x-request-id": "req-of-this-test" },
    });
    await response.body?.cancel();
    assertEquals(response.status, 200);

    let found: FoundTrace[] = [];
    await eventually(async () => {
      const q = encodeURIComponent('{ .x_request_id = "req-of-this-test" }');
      const answer = await fetch(`${queryUrl}/api/search?q=${q}`);
      found = (await answer.json()).traces;
      return Object.keys(found[0]?.serviceStats ?? {}).length === 3;
    });
    assertEquals(found.length, 1);
    assertEquals(Object.keys(found[0].serviceStats).sort(), [
      "baton-decode",
      "baton-frontend",
      "baton-prefill",
    ]);
    assertMatch(found[0].rootTraceName, /\S/);
    assertEquals(await stack.stop("SIGTERM"), 0);
    const warnings = stack.logs.filter(({ level }) => level === "WARN" || level === "ERROR");
    assertEquals(warnings.filter(({ target }) => String(target).includes("traces")), []);
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test({
  name:
    "start with TEMPO_QUERY_URL shows that Tempo's traces, and exports to where the environment says",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using tempo = startFakeTempo();
    await using stack = await Stack.start({
      hasTraces: true,
      env: {
        DYN_ENGINE: "simulated",
        TEMPO_QUERY_URL: tempo.url,
        TEMPO_QUERY_HEADERS: `authorization=${encodeURIComponent(tempo.headers.authorization)}`,
        OTEL_EXPORT_ENABLED: "",
      },
    });
    const line = await stack.waitForOutput(/^ {2}traces +http:\S+ .*over the Tempo of \w+$/m);
    const queryUrl = /http:\S+/.exec(line)?.[0] ?? "";
    const answer = await fetch(`${queryUrl}/api/search?q=${encodeURIComponent("{ }")}`);
    assertEquals((await answer.json()).traces[0].traceID, FAKE_TEMPO_TRACE);
    await stack.sink.waitFor((spans) => spans.some(({ name }) => name === "worker.start"));
    assertEquals(await stack.stop("SIGTERM"), 0);
  },
});
