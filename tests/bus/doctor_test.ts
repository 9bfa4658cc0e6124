/** What the doctor hears on a real bus: the server, workers by their heartbeats, their clocks. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert/mod.js";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import { viewBus } from "../../services/start/doctor/bus_view.ts";
import { busFindings } from "../../services/start/doctor/deployment_findings.ts";
import type { Finding } from "../../services/start/doctor/finding.ts";
import { connectTestBus, instanceRecord, NAMESPACE } from "./bus_kit.ts";
import { NatsServer } from "./nats_server_kit.ts";

/** Many heartbeats, so that one comes also where the machine is busy. */
const LISTEN_MS = 1_500;

/** What it says of a server at which a frontend should find its workers. */
async function findingsAt(url: string): Promise<Finding[]> {
  const answer = await viewBus({ url, namespace: NAMESPACE, listenMs: LISTEN_MS });
  return busFindings({ url, isGiven: true }, answer, { namespace: NAMESPACE, frontendWorkers: [] });
}

function symptomsOf(findings: readonly Finding[]) {
  return findings.flatMap(({ symptom }) => symptom ?? []);
}

Deno.test("the doctor finds a bus without workers, then with one whose clock agrees", async () => {
  await using server = await NatsServer.start();
  assertEquals(symptomsOf(await findingsAt(server.url)), ["no-workers"]);
  await using bus = await connectTestBus(server);
  bus.announce(() => ({ ...instanceRecord("i-1"), sentAtMs: epochMs() }));
  const findings = await findingsAt(server.url);
  assertEquals(symptomsOf(findings), []);
  assertEquals(findings.map(({ subject }) => subject), ["nats", "clocks"]);
});

Deno.test("the doctor tells a worker whose clock is ahead or behind, and by how much", async () => {
  await using server = await NatsServer.start();
  await using bus = await connectTestBus(server);
  const leads = { ahead: 90_000, behind: -5_000 };
  for (const [host, leadMs] of Object.entries(leads)) {
    bus.announce(() => ({ ...instanceRecord(host), host, sentAtMs: epochMs() + leadMs }));
  }
  const skews = (await findingsAt(server.url)).filter(({ symptom }) => symptom === "clock-skew");
  const texts = skews.map(({ text }) => text).sort();
  // A heartbeat on its way makes a clock look late.
  assertMatch(texts[0] ?? "", /ahead \(decode ahead\) is (89\.[5-9]|90\.0) s ahead of this one/);
  assertMatch(texts[1] ?? "", /behind \(decode behind\) is 5\.[0-4] s behind this one/);
});

Deno.test("the doctor finds a server that is gone, and one that refuses the password, without showing it", async () => {
  const server = await NatsServer.start({
    config: 'authorization { user: "baton", password: "right-word" }',
  });
  const { port } = server;
  try {
    const refused = await findingsAt(`nats://baton:wrong-word@127.0.0.1:${port}`);
    assertEquals(symptomsOf(refused), ["nats-unreachable"]);
    assertStringIncludes(refused[0]?.text ?? "", "refused the user and password");
    assert(!JSON.stringify(refused).includes("wrong-word"));
    const admitted = await findingsAt(`nats://baton:right-word@127.0.0.1:${port}`);
    assertEquals(symptomsOf(admitted), ["no-workers"]);
    assert(!JSON.stringify(admitted).includes("right-word"));
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const gone = await findingsAt(`nats://127.0.0.1:${port}`);
  assertEquals(symptomsOf(gone), ["nats-unreachable"]);
  assertStringIncludes(gone[0]?.text ?? "", `Cannot connect to NATS at 127.0.0.1:${port}`);
});
