/** `task doctor` beside a deployment that runs. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import { viewStore } from "../../services/start/doctor/store_findings.ts";
import { NatsServer } from "../bus/nats_server_kit.ts";
import { freePort } from "../kit/ports.ts";
import { denoRun, Program, runProgram } from "../kit/program.ts";
import { Stack } from "../kit/stack.ts";
import { eventually } from "../kit/waits.ts";

const SIMULATED = {
  DYN_ENGINE: "simulated",
  DYN_SIM_SPEEDUP: "100",
  OTEL_SERVICE_NAME: "shop",
};

interface DoctorReport {
  readonly code: number;
  readonly output: string;
}

async function runDoctor(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<DoctorReport> {
  const command = denoRun("services/start.ts", "doctor", ...args);
  const { code, output, errors } = await runProgram(command, { env });
  return { code, output: output + errors };
}

interface Line {
  readonly grade: string;
  readonly subject: string;
  readonly text: string;
  readonly symptom?: string;
}

function linesOf({ output }: DoctorReport): readonly Line[] {
  return JSON.parse(output).findings;
}

function troubles(report: DoctorReport): readonly (string | undefined)[] {
  return linesOf(report).filter(({ grade }) => grade !== "good").map(({ symptom }) => symptom);
}

async function complete(stack: Stack, headers: Record<string, string> = {}): Promise<void> {
  const body = { model: "simulated", prompt: "hello", max_tokens: 4, temperature: 0 };
  const response = await stack.post("completions", body, { headers });
  assertEquals(response.status, 200, await response.text());
}

Deno.test("the doctor says of a running deployment what its requests, its bus and its store show", async () => {
  const folder = await Deno.makeTempDir();
  await using stack = await Stack.start({
    hasTraces: true,
    env: {
      ...SIMULATED,
      DYN_TRACES_DB: join(folder, "t.db"),
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "",
    },
  });
  const [, tempo = "", otlp = ""] =
    /^ {2}traces +(http:\S+) .* OTLP at (http:\S+)$/m.exec(stack.output) ?? [];
  const args = ["--json", "--frontend", stack.url, "--tempo", tempo];
  const env = {
    NATS_URL: stack.natsUrl,
    OTEL_EXPORT_ENABLED: "1",
    OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
    DYN_LOGGING_JSONL: "1",
    OTEL_SERVICE_NAME: "shop",
  };
  await complete(stack);
  await eventually(async () => {
    const answer = await viewStore(tempo, {});
    return answer.kind === "names" && answer.names.length === 3;
  });
  const first = await runDoctor(args, env);
  assertEquals(troubles(first), ["no-traceparent"]);
  assertStringIncludes(first.output, "came with a traceparent (1 so far)");
  assertEquals(first.code, 0);

  await complete(stack, {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  });
  const second = await runDoctor(args, env);
  assertEquals(troubles(second), []);
  assertEquals(
    linesOf(second).map(({ subject }) => subject),
    ["deno", "frontend", "context", "nats", "clocks", "collector", "store", "logs"],
  );
  assertStringIncludes(second.output, "1 of 2 requests continued their client's trace");

  const wrong = await runDoctor(args, {
    ...env,
    OTEL_SERVICE_NAME: "bakery",
    DYN_NAMESPACE: "elsewhere",
    DYN_LOGGING_JSONL: "0",
  });
  assertEquals(troubles(wrong), ["no-workers", "service-name", "logs-not-jsonl"]);
  assertStringIncludes(wrong.output, "knows shop-decode, shop-frontend, shop-prefill");
  assertEquals(wrong.code, 1);
  await stack.stop();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the doctor finds a frontend without workers, and one that has lost its NATS server", async () => {
  await using nats = await NatsServer.start();
  await using frontend = new Program(denoRun("services/frontend/main.ts"), {
    env: { NATS_URL: nats.url, DYN_HTTP_PORT: "0", DYN_LOGGING_JSONL: "1" },
  });
  const [, port] = await frontend.waitForErrorLine(/"message":"frontend ready".*"port":(\d+)/);
  const url = `http://127.0.0.1:${port}`;
  const args = ["--json", "--frontend", url];
  const env = { DYN_LOGGING_JSONL: "1", OTEL_SDK_DISABLED: "true" };
  const alone = await runDoctor(args, env);
  assertEquals(troubles(alone), ["no-workers", "export-off"]);
  assertStringIncludes(alone.output, "has heard of no worker");
  await nats.kill();
  await eventually(async () => {
    const health = await (await fetch(`${url}/health`)).json();
    return !health.bus.is_connected;
  });
  const cut = await runDoctor(args, env);
  assertEquals(troubles(cut), ["nats-unreachable", "export-off"]);
  assertStringIncludes(cut.output, "has lost its NATS server");
});

Deno.test("the doctor finds the ports of the traces taken, as start would", async () => {
  using otlp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using query = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const report = await runDoctor(["--json"], {
    DYN_ENGINE: "simulated",
    DYN_HTTP_PORT: "0",
    DYN_TRACES_OTLP_PORT: String(otlp.addr.port),
    DYN_TRACES_QUERY_PORT: String(query.addr.port),
  });
  const taken = linesOf(report).filter(({ symptom }) => symptom === "port-taken");
  assertEquals(taken.length, 2);
  for (const { addr } of [otlp, query]) {
    assert(taken.some(({ text }) => text.includes(`127.0.0.1:${addr.port}`)));
  }
  assertEquals(report.code, 1);
});

Deno.test("the doctor knows what start adds to the environment of its services", async () => {
  const nobody = `http://127.0.0.1:${freePort()}`;
  const ports = { DYN_HTTP_PORT: "0", DYN_TRACES_OTLP_PORT: "0", DYN_TRACES_QUERY_PORT: "0" };
  const env = { DYN_ENGINE: "simulated", ...ports };
  const onExport = async (more: Readonly<Record<string, string>>) => {
    const lines = linesOf(await runDoctor(["--json"], { ...env, ...more }));
    return lines.filter(({ subject }) => ["export", "collector", "store"].includes(subject))
      .map(({ subject, symptom }) => symptom ?? subject);
  };
  assertEquals(await onExport({}), ["collector"]);
  assertEquals(await onExport({ OTEL_EXPORT_ENABLED: "0" }), ["export-off"]);
  assertEquals(await onExport({ OTEL_EXPORTER_OTLP_ENDPOINT: nobody }), ["collector-unreachable"]);
  assertEquals(
    await onExport({ OTEL_EXPORTER_OTLP_ENDPOINT: nobody, OTEL_EXPORT_ENABLED: "0" }),
    ["export-off"],
  );
  assertEquals(
    await onExport({ OTEL_EXPORTER_OTLP_ENDPOINT: nobody, TEMPO_QUERY_URL: nobody }),
    ["collector-unreachable", "store-unreachable"],
  );
});

Deno.test("the doctor's dump has every setting with its source, and no secret", async () => {
  const secrets = ["hunter2-nats", "hunter2-header", "hunter2-tempo", "hunter2-unread"];
  const env = {
    NATS_URL: `nats://baton:${secrets[0]}@127.0.0.1:4222`,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${secrets[1]},x-team=a`,
    TEMPO_QUERY_HEADERS: `x-key=${secrets[2]}`,
    OTEL_EXPORTER_JAEGER_PASSWORD: String(secrets[3]),
    DYN_LOG: "debug",
    DYN_HTTP_PORT: "many",
  };
  const args = ["--dump", "--model", "stories15m"];
  for (const more of [[], ["--json"]]) {
    const { code, output } = await runDoctor([...args, ...more], env);
    assertEquals(code, 0, output);
    for (const secret of secrets) assert(!output.includes(secret), output);
  }
  const { output } = await runDoctor([...args, "--json"], env);
  const { variables, facts, unread } = JSON.parse(output);
  const of = (name: string) => variables.find((line: { name: string }) => line.name === name);
  assertEquals([of("DYN_MODEL").value, of("DYN_MODEL").source], ["stories15m", "flag"]);
  assertEquals([of("DYN_LOG").value, of("DYN_LOG").source], ["debug", "environment"]);
  assertEquals(of("DYN_LOG_DIR").source, "default");
  assertEquals(of("OTEL_EXPORT_ENABLED").source, "task start");
  assertEquals(of("NATS_URL").value, "nats://baton:[redacted]@127.0.0.1:4222");
  assertStringIncludes(of("DYN_HTTP_PORT").problem, "use a whole number");
  assertEquals(unread, { OTEL_EXPORTER_JAEGER_PASSWORD: "[redacted]" });
  assertEquals(facts.deno, Deno.version.deno);
});
