import { assertEquals } from "@std/assert/mod.js";
import type { InstanceLoad, InstanceRecord } from "../../shared/messages/mod.ts";
import { chooseInstance, type RouteQuery } from "./route.ts";
import { SentLedger } from "./sent_ledger.ts";
import { FakeModel, instanceRecord } from "./testing/fake_worker.ts";

const MODEL = await FakeModel.create("x");

function instance(
  instanceId: string,
  load: Partial<InstanceLoad> = {},
  changes: Partial<InstanceRecord> = {},
): InstanceRecord {
  return { ...instanceRecord({ role: "decode", instanceId, model: MODEL, load }), ...changes };
}

function choose(instances: readonly InstanceRecord[], changes: Partial<RouteQuery> = {}) {
  return chooseInstance(instances, {
    role: "decode",
    cardDigest: MODEL.cardDigest,
    excludedIds: new Set(),
    turn: 0,
    unreportedLoad: () => ({ requests: 0, promptTokens: 0 }),
    ...changes,
  });
}

function chosenId(...parameters: Parameters<typeof choose>): string | undefined {
  return choose(...parameters).chosen?.instance.instanceId;
}

Deno.test("chooseInstance() takes the least loaded: running, waiting and prompt tokens count", () => {
  const busy = [
    instance("a", { runningSequences: 2 }),
    instance("b", { runningSequences: 1 }),
    instance("c", { waitingSequences: 3 }),
  ];
  assertEquals(chosenId(busy), "b");
  assertEquals(chosenId([...busy, instance("d", { pendingPromptTokens: 200 })]), "d");
  assertEquals(chosenId([...busy, instance("d", { pendingPromptTokens: 300 })]), "b");
});

Deno.test("chooseInstance() counts what was sent since the heartbeat: requests and their prompts", () => {
  const instances = [instance("a"), instance("b", { runningSequences: 1 })];
  const sentTo = (id: string, load: { requests: number; promptTokens: number }) =>
    chosenId(instances, {
      unreportedLoad: ({ instanceId }) =>
        instanceId === id ? load : { requests: 0, promptTokens: 0 },
    });
  assertEquals(sentTo("a", { requests: 2, promptTokens: 0 }), "b");
  assertEquals(sentTo("a", { requests: 0, promptTokens: 300 }), "b");
  assertEquals(sentTo("a", { requests: 0, promptTokens: 200 }), "a");
});

Deno.test("chooseInstance() takes equals in turn, in the order of their ids", () => {
  const equals = [
    instance("c"),
    instance("a"),
    instance("b"),
    instance("z", { runningSequences: 1 }),
  ];
  const turns = [0, 1, 2, 3].map((turn) => chosenId(equals, { turn }));
  assertEquals(turns, ["a", "b", "c", "a"]);
});

Deno.test("chooseInstance() leaves out other roles and other cards without counting them", () => {
  const model = { ...instance("x").model, cardDigest: "other" };
  const decision = choose([
    instance("p", {}, { role: "prefill" }),
    instance("o", {}, { model }),
  ]);
  assertEquals(decision, { candidates: [], fullCount: 0, unfitCount: 0 });
});

Deno.test("chooseInstance() skips draining, stuck, failed and full instances and says how many", () => {
  const decision = choose([
    instance("draining", {}, { state: "draining" }),
    instance("stuck", {}, { state: "stuck" }),
    instance("failed"),
    instance("full", { waitingSequences: 4, queueLimit: 4 }),
    instance("free", { waitingSequences: 3, queueLimit: 4 }),
  ], { excludedIds: new Set(["failed"]) });
  assertEquals(decision.chosen?.instance.instanceId, "free");
  assertEquals([decision.fullCount, decision.unfitCount], [1, 3]);
});

Deno.test("chooseInstance() asks a worker whose queue limit is 0 while nothing waits there", () => {
  assertEquals(chosenId([instance("a", { runningSequences: 9, queueLimit: 0 })]), "a");
  assertEquals(choose([instance("a", { waitingSequences: 1, queueLimit: 0 })]).fullCount, 1);
});

Deno.test("SentLedger spreads a burst between heartbeats and forgets at the next one", () => {
  const ledger = new SentLedger();
  const instances = [instance("a"), instance("b")];
  const unreportedLoad = (each: InstanceRecord) => ledger.unreportedLoad(each);
  const taken = [];
  for (let turn = 0; turn < 4; turn++) {
    const { chosen } = choose(instances, { unreportedLoad });
    taken.push(chosen!.instance.instanceId);
    ledger.add(chosen!.instance, 10);
  }
  assertEquals(taken, ["a", "b", "a", "b"]);
  assertEquals(ledger.unreportedLoad(instances[0]!), {
    sentAtMs: 1,
    requests: 2,
    promptTokens: 20,
  });
  const next = instance("a", {}, { sentAtMs: 2 });
  assertEquals(ledger.unreportedLoad(next), { requests: 0, promptTokens: 0 });
  ledger.add(next, 5);
  assertEquals(ledger.unreportedLoad(next), { sentAtMs: 2, requests: 1, promptTokens: 5 });
});

Deno.test("SentLedger.retain() forgets instances that are gone", () => {
  const ledger = new SentLedger();
  const [a, b] = [instance("a"), instance("b")];
  ledger.add(a, 1);
  ledger.add(b, 1);
  ledger.retain([b]);
  assertEquals(ledger.unreportedLoad(a).requests, 0);
  assertEquals(ledger.unreportedLoad(b).requests, 1);
});
