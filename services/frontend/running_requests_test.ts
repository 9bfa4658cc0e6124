import { assert, assertEquals, assertMatch } from "@std/assert/mod.js";
import { eventually } from "../../tests/kit/waits.ts";
import { Admission } from "./admission.ts";
import {
  type RunningRequest,
  type RunningRequests,
  runningRequestsSchema,
} from "./api_document.ts";
import { type InflightRequest, runningRequests } from "./running_requests.ts";
import { FrontendKit } from "./testing/frontend_kit.ts";

async function list(kit: FrontendKit): Promise<RunningRequests> {
  const response = await kit.get("/requests");
  assertEquals(response.status, 200);
  return runningRequestsSchema.parse(await response.json());
}

/** The only request, once it is so far. */
async function only(
  kit: FrontendKit,
  isThere: (request: RunningRequest) => boolean,
): Promise<RunningRequest> {
  let found: RunningRequest | undefined;
  await eventually(async () => {
    [found] = (await list(kit)).requests;
    return found !== undefined && isThere(found);
  });
  return found!;
}

/** Holds whoever comes to a place until the test lets it go on. */
class Gates {
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();

  at(place: string): Promise<void> {
    return this.#gate(place).promise;
  }

  open(place: string): void {
    this.#gate(place).resolve();
  }

  #gate(place: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(place) ?? Promise.withResolvers<void>();
    this.#gates.set(place, gate);
    return gate;
  }
}

Deno.test("GET /requests tells in which stage a request is, and its tokens so far", async () => {
  for (const stream of [true, false]) {
    using kit = await FrontendKit.start({ answer: "Hello" });
    const gates = new Gates();
    await kit.pair({
      prefill: { onRequest: () => gates.at("dispatch"), onToken: () => gates.at("prefill") },
      decode: { onToken: (index) => gates.at(index === 1 ? "kv_transfer" : "decode") },
    });
    assertEquals(await list(kit), { requests: [], more: 0 });
    const answer = kit.chat({ stream }, { headers: { "x-request-id": "mine" } })
      .then((response) => response.text());
    const tokens: Record<string, number> = { dispatch: 0, prefill: 0, kv_transfer: 1, decode: 2 };
    for (const [stage, outputTokens] of Object.entries(tokens)) {
      const request = await only(
        kit,
        (request) => request.stage === stage && request.output_tokens === outputTokens,
      );
      assertEquals([request.model, request.stream, request.attempts], ["tiny", stream, 1]);
      assertEquals([request.prefill_worker_id, request.decode_worker_id], ["p1", "d1"]);
      const { route, x_request_id, sampled } = request;
      assertEquals([route, x_request_id, sampled], ["/v1/chat/completions", "mine", true]);
      assertEquals(request.trace_id, kit.telemetry.of("http_request")[0]?.traceId);
      assert(request.input_tokens > 0 && request.age_ms >= (request.last_token_age_ms ?? 0));
      assertEquals([request.last_token_age_ms, request.ttft_ms].map((ms) => ms === null), [
        outputTokens === 0,
        outputTokens === 0,
      ]);
      assertEquals(request.avg_itl_ms === null, outputTokens < 2);
      gates.open(stage);
    }
    await answer;
    assertEquals(await list(kit), { requests: [], more: 0 });
  }
});

Deno.test("GET /requests tells of a decode worker that computes the prompt itself", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const gates = new Gates();
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => gates.at(index === 0 ? "prefill" : "decode"),
  });
  const answer = kit.complete().then((response) => response.text());
  const { prefill_worker_id, decode_worker_id } = await only(
    kit,
    ({ stage }) => stage === "prefill",
  );
  assertEquals([prefill_worker_id, decode_worker_id], [null, "d1"]);
  gates.open("prefill");
  const { route, stage } = await only(kit, ({ output_tokens }) => output_tokens === 1);
  assertEquals([route, stage], ["/v1/completions", "decode"]);
  gates.open("decode");
  await answer;
});

Deno.test("GET /requests counts the attempts of a request and names the workers of the last", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const gates = new Gates();
  await kit.pair({
    decode: { onToken: (index) => index === 2 ? kit.bus.kill("d1") : undefined },
  });
  await kit.worker({
    role: "decode",
    instanceId: "d2",
    load: { runningSequences: 3 },
    onToken: () => gates.at("replay"),
  });
  const answer = kit.chat().then((response) => response.text());
  const request = await only(kit, ({ attempts, stage }) => attempts === 2 && stage === "prefill");
  assertEquals([request.prefill_worker_id, request.decode_worker_id], [null, "d2"]);
  assertEquals(request.output_tokens, 2);
  gates.open("replay");
  await answer;
});

Deno.test("GET /requests tells of a body that does not come and of a client that does not read", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  await kit.pair();
  const client = new AbortController();
  const body = new ReadableStream<Uint8Array>();
  const refused = kit.request(
    new Request("http://frontend/v1/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal: client.signal,
    }),
  );
  const silent = await only(kit, () => true);
  assertEquals(
    [silent.stage, silent.model, silent.stream, silent.attempts, silent.waits_for_client],
    ["preprocess", null, null, 0, false],
  );
  client.abort();
  assertEquals((await refused).status, 499);
  assertEquals((await list(kit)).requests, []);

  const stream = await kit.chat({ stream: true });
  await only(kit, ({ waits_for_client }) => waits_for_client);
  await stream.text();
  await eventually(async () => (await list(kit)).requests.length === 0);
});

Deno.test("GET /requests leaves no span, no log line and no text of the request", async () => {
  using kit = await FrontendKit.start({ answer: "Hello" });
  const gates = new Gates();
  await kit.pair({ decode: { onToken: () => gates.at("decode") } });
  const answer = kit.complete({ prompt: "Once upon" }).then((response) => response.text());
  await only(kit, ({ stage }) => stage === "kv_transfer");
  const before = [kit.telemetry.spans.length, kit.telemetry.lines.length];
  const text = await (await kit.get("/requests")).text();
  assertEquals([kit.telemetry.spans.length, kit.telemetry.lines.length], before);
  assertEquals(/Once|upon|Hello/.test(text), false);
  assertMatch(text, /"received_at":"\d{4}-\d\d-\d\dT[\d:.]+Z"/);
  gates.open("decode");
  await answer;
});

Deno.test("GET /requests tells of a wait for a worker, before the first attempt and after a failed one", async () => {
  using kit = await FrontendKit.start({ answer: "Hello", options: { workerReturnMs: 30_000 } });
  const gates = new Gates();
  await kit.worker({
    role: "decode",
    instanceId: "d1",
    onToken: (index) => index === 2 ? kit.bus.kill("d1") : gates.at("token"),
  });
  const answer = kit.chat().then((response) => response.text());
  await only(kit, ({ stage }) => stage === "prefill");
  gates.open("token");
  const request = await only(kit, ({ stage }) => stage === "wait_for_worker");
  assertEquals([request.attempts, request.output_tokens], [1, 2]);
  const other = kit.complete().then((response) => response.text());
  await eventually(async () => {
    const stages = (await list(kit)).requests.map(({ stage }) => stage);
    return stages.join() === "wait_for_worker,wait_for_worker";
  });
  await kit.worker({ role: "decode", instanceId: "d2" });
  await Promise.all([answer, other]);
  assertEquals((await list(kit)).requests, []);
});

Deno.test("runningRequests lists the oldest and says how many it leaves out", async () => {
  using kit = await FrontendKit.start();
  const gates = new Gates();
  await kit.pair({ prefill: { onToken: () => gates.at("prefill") } });
  const answer = kit.chat().then((response) => response.text());
  const example = await only(kit, () => true);
  const span = kit.telemetry.serverSpan("http_request", {}, { requestId: "r", xRequestId: "r" });
  const admission = new Admission<InflightRequest>(200);
  for (let index = 0; index < 103; index++) {
    const record = { span, running: () => ({ ...example, request_id: `request ${index}` }) };
    admission.enter({ record, outgoing: { writableNeedDrain: false } });
  }
  const { requests, more } = runningRequests({
    admission,
    workerReturn: { isWaiting: () => false },
  });
  assertEquals([requests.length, more], [100, 3]);
  assertEquals([requests[0]?.request_id, requests[99]?.request_id], ["request 0", "request 99"]);
  gates.open("prefill");
  await answer;
});
