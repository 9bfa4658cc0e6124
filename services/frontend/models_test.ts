import { assertEquals, assertRejects } from "@std/assert/mod.js";
import { ApiError } from "../../shared/openai/mod.ts";
import { ModelCatalogue } from "./models.ts";
import { FakeBus } from "./testing/fake_bus.ts";
import { FakeTelemetry } from "./testing/fake_telemetry.ts";
import { FakeModel, modelCard, startFakeWorker } from "./testing/fake_worker.ts";

function catalogueOn(bus: FakeBus) {
  const telemetry = new FakeTelemetry();
  const names: string[][] = [];
  const catalogue = new ModelCatalogue(bus, bus.directory(), {
    cardTimeoutMs: 500,
    telemetry,
    onNames: (list) => names.push([...list]),
  });
  return { catalogue, telemetry, names };
}

async function refusalOf(catalogue: ModelCatalogue, name: string): Promise<string> {
  return (await assertRejects(() => catalogue.resolve(name), ApiError)).code;
}

Deno.test("ModelCatalogue fetches a card once a digest and builds the model from it", async () => {
  const bus = new FakeBus();
  const { catalogue, names } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  startFakeWorker(bus, { role: "prefill", instanceId: "p1", model });
  startFakeWorker(bus, { role: "decode", instanceId: "d1", model });
  startFakeWorker(bus, { role: "decode", instanceId: "d2", model });
  const served = await catalogue.resolve("tiny");
  assertEquals(served.card, model.card);
  assertEquals(served.tokenizer.decode([3 + 65], { skipSpecial: true }), "A");
  assertEquals(served.fingerprint, `fp_${model.cardDigest.slice(0, 12)}`);
  assertEquals((await catalogue.resolve("tiny")) === served, true);
  assertEquals(names.at(-1), ["tiny"]);
});

Deno.test("ModelCatalogue tells an unknown model from one whose decode workers are gone", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  const other = await FakeModel.create("x", modelCard({ name: "other" }));
  startFakeWorker(bus, { role: "decode", instanceId: "o1", model: other });
  await catalogue.resolve("other");
  assertEquals(await refusalOf(catalogue, "tiny"), "model_not_found");
  startFakeWorker(bus, { role: "prefill", instanceId: "p1", model });
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
  startFakeWorker(bus, { role: "decode", instanceId: "d1", model });
  await catalogue.resolve("tiny");
  bus.instances.remove("d1");
  bus.instances.remove("p1");
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
  assertEquals(catalogue.list().map(({ model }) => model.card.name), ["other"]);
});

Deno.test("ModelCatalogue calls no model unknown that a worker may have which it cannot have heard of", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
  const model = await FakeModel.create("x", modelCard({ name: "other" }));
  startFakeWorker(bus, { role: "decode", instanceId: "o1", model });
  assertEquals(await refusalOf(catalogue, "tiny"), "model_not_found");
  bus.isConnected = false;
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
});

Deno.test("ModelCatalogue lists no model whose decode workers all drain or are stuck", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  const worker = { role: "decode", instanceId: "d1", model } as const;
  startFakeWorker(bus, worker);
  await catalogue.resolve("tiny");
  assertEquals(catalogue.list().length, 1);
  for (const state of ["stuck", "draining", "failed"] as const) {
    startFakeWorker(bus, { ...worker, state });
    assertEquals(catalogue.list(), [], state);
  }
});

Deno.test("ModelCatalogue refuses a card that is not the announced one", async () => {
  const bus = new FakeBus();
  const { catalogue, telemetry } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  model.cardDigest = "0".repeat(64);
  startFakeWorker(bus, { role: "decode", instanceId: "d1", model });
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
  const line = telemetry.lines.find(({ level }) => level === "warn");
  const [span] = telemetry.of("card_fetch");
  assertEquals([span?.isEnded, span?.failure], [true, "card_not_fetched"]);
  assertEquals(line?.message, "model card not fetched");
  assertEquals(String(line?.fields.error).includes("its sha256 is"), true);
});

Deno.test("ModelCatalogue refuses a card that lacks what it needs, and says which field", async () => {
  const bus = new FakeBus();
  const { catalogue, telemetry } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x", modelCard({ contextLength: 0 }));
  startFakeWorker(bus, { role: "decode", instanceId: "d1", model });
  await catalogue.resolve("tiny").catch(() => {});
  const line = telemetry.lines.find(({ level }) => level === "warn");
  assertEquals(String(line?.fields.error).includes("contextLength"), true);
});

Deno.test("ModelCatalogue gives up on a worker that never sends its card", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  const silent = Promise.withResolvers<void>();
  bus.serve("decode", "card", "d1", () => silent.promise);
  const record = startFakeWorker(new FakeBus(), { role: "decode", instanceId: "d1", model });
  bus.instances.put(record);
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
  silent.resolve();
});

Deno.test("ModelCatalogue serves the digest that most decode workers have", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  const before = await FakeModel.create("x", modelCard({ fileDigest: "a" }));
  const after = await FakeModel.create("x", modelCard({ fileDigest: "b" }));
  startFakeWorker(bus, { role: "decode", instanceId: "d1", model: before });
  startFakeWorker(bus, { role: "decode", instanceId: "d2", model: after });
  startFakeWorker(bus, { role: "decode", instanceId: "d3", model: after });
  await catalogue.resolve("tiny");
  assertEquals((await catalogue.resolve("tiny")).card.fileDigest, "b");
  startFakeWorker(bus, { role: "decode", instanceId: "d2", model: after, state: "draining" });
  startFakeWorker(bus, { role: "decode", instanceId: "d3", model: after, state: "draining" });
  assertEquals((await catalogue.resolve("tiny")).card.fileDigest, "a");
  assertEquals(catalogue.list().length, 1);
});

Deno.test("ModelCatalogue.contextLimit() is the least of the card and of all decode workers", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  startFakeWorker(bus, { role: "decode", instanceId: "d1", model });
  const served = await catalogue.resolve("tiny");
  assertEquals(catalogue.contextLimit(served), 128);
  startFakeWorker(bus, { role: "decode", instanceId: "d2", model, load: { totalBlocks: 4 } });
  assertEquals(catalogue.contextLimit(served), 64);
});

Deno.test("ModelCatalogue forgets what was announced and never fetched", async () => {
  const bus = new FakeBus();
  const { catalogue } = catalogueOn(bus);
  using _ = catalogue;
  const model = await FakeModel.create("x");
  const record = startFakeWorker(new FakeBus(), { role: "decode", instanceId: "d1", model });
  const other = await FakeModel.create("x", modelCard({ name: "other" }));
  startFakeWorker(bus, { role: "decode", instanceId: "o1", model: other });
  bus.instances.put(record);
  assertEquals(await refusalOf(catalogue, "tiny"), "no_workers");
  bus.instances.remove("d1");
  assertEquals(await refusalOf(catalogue, "tiny"), "model_not_found");
});
