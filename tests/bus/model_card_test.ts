import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { fetchModelCard } from "../../services/frontend/card_fetch.ts";
import { FakeModel } from "../../services/frontend/testing/fake_worker.ts";
import { startTelemetry } from "../../shared/telemetry/mod.ts";
import { cardHandler } from "../../shared/worker/model_card.ts";
import { startOtlpSink } from "../kit/otlp_sink.ts";
import { telemetryTestOptions } from "../kit/telemetry_options.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { connectTestBus, instanceRecord } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

Deno.test("cardHandler sends the card in the trace of the frontend that fetches it", async () => {
  await using server = await NatsServer.start();
  await using sink = startOtlpSink();
  await using frontend = await connectTestBus(server);
  await using worker = await connectTestBus(server);
  const { card, bytes, cardDigest: digest } = await FakeModel.create("x");
  const telemetryOf = (serviceName: string) =>
    startTelemetry(telemetryTestOptions(sink.tracesUrl, { serviceName }));
  const [telemetry, ofWorker] = [telemetryOf("frontend"), telemetryOf("decode")];
  worker.serve(
    "decode",
    "card",
    "w",
    cardHandler({ card, bytes, digest }, {
      bus: worker,
      telemetry: ofWorker,
      instanceId: "w",
      leaseMs: 30_000,
    }),
  );
  await worker.ping();

  const record = instanceRecord("w");
  const instance = { ...record, model: { ...record.model, cardDigest: digest } };
  const span = telemetry.rootSpan("card_fetch", {
    attributes: { worker_id: "w", "model.name": card.name, "card.digest": digest },
  });
  const options = { timeoutMs: 30_000, headers: span.headers() };
  assertEquals((await fetchModelCard(frontend, instance, options)).name, card.name);
  await assertRejects(() => fetchModelCard(frontend, record, options), TypeError, "its sha256 is");
  span.end();
  await Promise.all([telemetry.shutdown("test", 5_000), ofWorker.shutdown("test", 5_000)]);

  const spans = sink.spans();
  assertEquals(traceFaults(spans), []);
  assertEquals(spans.map(({ name, service }) => `${service} ${name}`).sort(), [
    "decode card.send",
    "decode card.send",
    "frontend card.fetch",
  ]);
  assertEquals(
    spans.filter(({ name }) => name === "card.send").map(({ attributes }) =>
      attributes["card.bytes"]
    ),
    [bytes.byteLength, bytes.byteLength],
  );
});
