import { assert, assertEquals } from "@std/assert/mod.js";
import { startOtlpSink } from "../../../tests/kit/otlp_sink.ts";
import { telemetryTestOptions } from "../../../tests/kit/telemetry_options.ts";
import { makeSecret } from "../log/testing/redact_corpus.ts";
import { startTelemetry } from "./start.ts";

const IDS = { xRequestId: "my-req", requestId: "d70dae74-5a3c-4f7e-9d2b-1a2b3c4d5e6f" };

Deno.test("a secret in a span, its events, its status, the resource or a log line is exported hidden", async () => {
  const [attribute, event, status, resource, message, field] = [1, 2, 3, 4, 5, 6].map((seed) =>
    makeSecret("sk-proj-{an:60}", seed).text
  );
  await using sink = startOtlpSink();
  const logFile = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    const telemetry = startTelemetry(telemetryTestOptions(sink.tracesUrl, {
      logFile,
      logFilter: "info",
      resource: { team: "a", hint: `use ${resource}` },
    }));
    const span = telemetry.serverSpan("http_request", {}, IDS, {
      attributes: { "user_agent.original": `client/1 ${attribute}` },
    });
    span.event("migrated", { attempt: 1, "error.type": `Cannot use ${event}` });
    span.fail("internal", `Cannot go on: nats://u:${status}@h:4222 refuses`);
    span.log.warn(`Cannot use ${message}`, { error: `Cannot use ${field}`, team: "a" });
    span.end();
    await telemetry.shutdown("test", 5_000);
    const outputs = [
      ...sink.exports().map(({ body }) => new TextDecoder().decode(body)),
      await Deno.readTextFile(logFile),
    ];
    assertEquals(sink.spans()[0]?.attributes["user_agent.original"], "client/1 [redacted]");
    assertEquals(
      sink.spans()[0]?.statusMessage,
      "Cannot go on: nats://u:[redacted]@h:4222 refuses",
    );
    assertEquals(sink.spans()[0]?.resource.hint, "use [redacted]");
    for (const secret of [attribute, event, status, resource, message, field]) {
      for (const output of outputs) assert(!output.includes(String(secret)), output);
    }
  } finally {
    await Deno.remove(logFile);
  }
});
