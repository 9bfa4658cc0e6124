/**
 * What a client with OpenAI's own library sees when the services behind the API change. The services
 * are started one by one, as on hosts of their own, with simulated engines.
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert/mod.js";
import OpenAI, { APIConnectionError, InternalServerError } from "openai";
import { NatsServer } from "../bus/nats_server_kit.ts";
import { type OtlpSink, type SinkSpan, startOtlpSink } from "../kit/otlp_sink.ts";
import { freePort } from "../kit/ports.ts";
import { denoRun, Program } from "../kit/program.ts";
import { traceFaults } from "../kit/trace_faults.ts";
import { eventually, within } from "../kit/waits.ts";

const MODEL = "simulated";
const ENV = {
  DYN_ENGINE: "simulated",
  DYN_LOGGING_JSONL: "1",
  DYN_LOG_DIR: "off",
  DYN_SYSTEM_PORT: "0",
  DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "5000",
  OTEL_EXPORT_ENABLED: "1",
  OTEL_BSP_SCHEDULE_DELAY: "20",
};

class Fleet implements AsyncDisposable {
  readonly sink: OtlpSink = startOtlpSink();
  readonly #programs = new AsyncDisposableStack();
  readonly #nats: NatsServer;
  readonly #port = freePort();

  private constructor(nats: NatsServer) {
    this.#programs.use(this.sink);
    this.#nats = this.#programs.use(nats);
  }

  static async start(): Promise<Fleet> {
    return new Fleet(await NatsServer.start());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  client(maxRetries: number): OpenAI {
    return new OpenAI({ baseURL: `${this.url}/v1`, apiKey: "none", maxRetries, timeout: 120_000 });
  }

  /** Resolves when it listens. */
  async frontend(env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const program = this.#run("frontend", { DYN_HTTP_PORT: String(this.#port), ...env });
    await program.waitForErrorLine(/"message":"frontend ready"/);
    return program;
  }

  decoder(env: Readonly<Record<string, string>> = {}): Program {
    return this.#run("decode", env);
  }

  /** Waits until the frontend routes to workers of exactly these processes. */
  async untilReady(...decoders: readonly Program[]): Promise<void> {
    const ids = await Promise.all(decoders.map(instanceIdOf));
    await eventually(async () => {
      const { instances } = await (await fetch(`${this.url}/health`)).json();
      const ready = instances.filter((each: { state: string }) => each.state === "ready")
        .map((each: { instance_id: string }) => each.instance_id);
      return String(ready.sort()) === String(ids.sort());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs[Symbol.asyncDispose]();
  }

  #run(service: string, env: Readonly<Record<string, string>>): Program {
    const command = denoRun(`services/${service}/main.ts`);
    return this.#programs.use(
      new Program(command, {
        env: {
          ...ENV,
          NATS_URL: this.#nats.url,
          OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: this.sink.tracesUrl,
          ...env,
        },
      }),
    );
  }
}

async function instanceIdOf(decoder: Program): Promise<string> {
  const [line] = await decoder.waitForErrorLine(/.*"message":"worker ready".*/);
  return JSON.parse(line).instance_id;
}

async function complete(client: OpenAI, maxTokens = 4): Promise<string> {
  const body = { model: MODEL, prompt: "a", max_tokens: maxTokens, temperature: 0 };
  return (await client.completions.create(body)).choices[0]!.text;
}

/** A stream of an answer: its first piece is there, the rest is still to come. */
async function begun(client: OpenAI, maxTokens: number) {
  const stream = await client.completions.create({
    model: MODEL,
    prompt: "a",
    max_tokens: maxTokens,
    temperature: 0,
    stream: true,
  });
  const chunks = stream[Symbol.asyncIterator]();
  const pieces: string[] = [];
  const take = async (): Promise<boolean> => {
    const { done, value } = await chunks.next();
    if (!done) pieces.push(value.choices[0]?.text ?? "");
    return !done;
  };
  await take();
  const takeAll = async () => {
    while (await take());
    return pieces.join("");
  };
  return () => within("the rest of the answer", takeAll(), { timeoutMs: 120_000 });
}

Deno.test("two workers that start with one id in the same moment: one ends and says why, one serves", async () => {
  await using fleet = await Fleet.start();
  await fleet.frontend();
  const both = [1, 2].map(() => fleet.decoder({ DYN_INSTANCE_ID: "twin" }));
  const loser = await Promise.any(both.map(async (each) => {
    await each.end();
    return each;
  }));
  assertEquals((await loser.end()).code, 1);
  assertStringIncludes(loser.errors, "the instance id twin");
  assertStringIncludes(loser.errors, "Give each worker its own DYN_INSTANCE_ID, or none");
  const winner = both.find((each) => each !== loser)!;
  await fleet.untilReady(winner);
  assertEquals((await complete(fleet.client(0))).length > 0, true);
});

Deno.test({
  name: "a stream goes on with another worker when its own is frozen, asked to leave or killed",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using fleet = await Fleet.start();
    // The other worker takes its time to start.
    await fleet.frontend({ DYN_WORKER_RETURN_TIMEOUT_MS: "60000" });
    const client = fleet.client(0);
    const slow = { DYN_SIM_STEP_US: "20000" };
    let worker = fleet.decoder(slow);
    await fleet.untilReady(worker);
    const whole = await complete(client, 60);
    for (const signal of ["SIGSTOP", "SIGTERM", "SIGKILL"] as const) {
      const rest = await begun(client, 60);
      const other = fleet.decoder(slow);
      worker.signal(signal);
      assertEquals(await rest(), whole, signal);
      await fleet.untilReady(other);
      assertEquals(await complete(client, 60), whole, signal);
      worker = other;
    }
  },
});

Deno.test("a stuck worker's stream goes on with another in one tree, and its blocks are free when it wakes", async () => {
  await using fleet = await Fleet.start();
  await fleet.frontend();
  const env = { DYN_SIM_STEP_US: "20000", DYN_STEP_TIMEOUT_MS: "2000" };
  const stuck = fleet.decoder({ ...env, DYN_SIM_FAULTS: "slow@20:8000" });
  const other = fleet.decoder(env);
  await fleet.untilReady(stuck, other);
  const client = fleet.client(0);
  // One for each worker.
  const rests = await Promise.all([begun(client, 60), begun(client, 60)]);
  const texts = await Promise.all(rests.map((rest) => rest()));
  await stuck.waitForErrorLine(/"message":"the overdue engine step has ended"/);
  const stuckId = await instanceIdOf(stuck);
  await eventually(async () => {
    const { instances } = await (await fetch(`${fleet.url}/health`)).json();
    const { state, running, used_blocks } = instances.find((each: { instance_id: string }) =>
      each.instance_id === stuckId
    );
    return String([state, running, used_blocks]) === "ready,0,0";
  });
  const whole = await complete(client, 60);
  assertEquals(texts, [whole, whole]);
  const isMoved = ({ name, attributes }: SinkSpan) =>
    name === "http-request" && attributes.attempts === 2;
  const all = await fleet.sink.waitFor((spans) => spans.some(isMoved));
  const { traceId } = all.find(isMoved)!;
  const ofTrace = (name: string) => (spans: readonly SinkSpan[]) =>
    spans.filter((span) => span.name === name);
  const spans = await fleet.sink.waitForTrace(
    traceId,
    (seen) => ofTrace("handle_payload")(seen).length === 2,
  );
  assertEquals(traceFaults(spans), []);
  assertEquals(
    ofTrace("router.route_request")(spans).map(({ attributes }) => attributes["error.type"]),
    ["stuck", undefined],
  );
});

Deno.test("a client's usual retries carry it over a frontend's restart, and a drain loses no answer", async () => {
  await using fleet = await Fleet.start();
  const first = await fleet.frontend({ DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "60000" });
  const worker = fleet.decoder({ DYN_SIM_STEP_US: "20000" });
  await fleet.untilReady(worker);
  // It drains as long as this takes.
  const tokens = 200;
  const whole = await complete(fleet.client(0), tokens);
  const rest = await begun(fleet.client(0), tokens);
  first.signal("SIGTERM");
  await first.waitForErrorLine(/"message":"frontend draining"/);
  await assertRejects(() => complete(fleet.client(0)), InternalServerError, "shutting down");
  assertEquals(await rest(), whole);
  assertEquals((await first.end()).code, 0);
  await assertRejects(() => complete(fleet.client(0)), APIConnectionError);
  await fleet.frontend();
  assertEquals(await complete(fleet.client(2), tokens), whole);
});

Deno.test("the only worker is asked to leave and another started: its stream goes on there, and new requests wait for it", async () => {
  await using fleet = await Fleet.start();
  await fleet.frontend({ DYN_WORKER_RETURN_TIMEOUT_MS: "60000" });
  const env = { DYN_SIM_STEP_US: "20000", DYN_GRACEFUL_SHUTDOWN_TIMEOUT_MS: "500" };
  const first = fleet.decoder(env);
  await fleet.untilReady(first);
  const client = fleet.client(0);
  const whole = await complete(client, 120);
  const rest = await begun(client, 120);
  first.signal("SIGTERM");
  await fleet.untilReady();
  const waiting = complete(client, 120);
  assertEquals((await first.end()).code, 0);
  await fleet.untilReady(fleet.decoder(env));
  assertEquals([await rest(), await waiting], [whole, whole]);
});

Deno.test("a request is refused and may come again where no worker was started, or the last has left for long", async () => {
  await using fleet = await Fleet.start();
  await fleet.frontend({ DYN_WORKER_RETURN_TIMEOUT_MS: "500" });
  const refusal = async () => {
    const error = await assertRejects(() => complete(fleet.client(0)), InternalServerError);
    return [error.status, error.code, error.headers?.get("retry-after")];
  };
  assertEquals(await refusal(), [503, "no_workers", "1"]);
  const worker = fleet.decoder();
  await fleet.untilReady(worker);
  await complete(fleet.client(0));
  worker.signal("SIGTERM");
  assertEquals((await worker.end()).code, 0);
  await fleet.untilReady();
  assertEquals(await refusal(), [503, "no_workers", "1"]);
});
