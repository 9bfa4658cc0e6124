/** The traces service as a process: what it acknowledged survives its death, and a restart finds it. */

import { assertEquals, assertStringIncludes } from "@std/assert/mod.js";
import { join } from "@std/path/mod.js";
import type { SpanData } from "../../shared/otlp/mod.ts";
import { encodeSpans } from "../../shared/otlp/testing/encode_spans.ts";
import { Random, randomTrace } from "../../shared/trace_store/testing/random_traces.ts";
import { denoRun, Program, runProgram } from "../kit/program.ts";
import { within } from "../kit/waits.ts";

const MAIN = denoRun("services/traces/main.ts");
const FREE_PORTS = { DYN_TRACES_QUERY_PORT: "0", DYN_TRACES_OTLP_PORT: "0" };

/** A running service, its ports read from its log. */
class Traces implements AsyncDisposable {
  readonly otlpUrl: string;
  readonly queryUrl: string;
  readonly #program: Program;

  private constructor(program: Program, otlpPort: string, queryPort: string) {
    this.#program = program;
    this.otlpUrl = `http://127.0.0.1:${otlpPort}/v1/traces`;
    this.queryUrl = `http://127.0.0.1:${queryPort}`;
  }

  static async start(database: string): Promise<Traces> {
    const program = new Program(MAIN, {
      env: { ...FREE_PORTS, DYN_TRACES_DB: database, DYN_LOGGING_JSONL: "1" },
    });
    const [, otlpPort = "", queryPort = ""] = await program.waitForErrorLine(
      /"otlp_port":(\d+),"query_port":(\d+)/,
    );
    return new Traces(program, otlpPort, queryPort);
  }

  async push(spans: readonly SpanData[]): Promise<boolean> {
    try {
      const answer = await fetch(this.otlpUrl, {
        method: "POST",
        headers: { "content-type": "application/x-protobuf" },
        body: encodeSpans(spans),
      });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      // It died before it answered.
      return false;
    }
  }

  async spanIds(traceId: string): Promise<string[]> {
    const answer = await fetch(`${this.queryUrl}/api/traces/${traceId}`);
    if (answer.status === 404) {
      await answer.body?.cancel();
      return [];
    }
    const { batches }: { batches: { scopeSpans: { spans: { spanId: string }[] }[] }[] } =
      await answer.json();
    return batches.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
      .map(({ spanId }) => Uint8Array.fromBase64(spanId).toHex()).sort();
  }

  async stop(signal: Deno.Signal): Promise<number> {
    this.#program.signal(signal);
    return (await this.#program.end()).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

async function withFolder(body: (database: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await body(join(folder, "traces.db"));
  await Deno.remove(folder, { recursive: true });
}

Deno.test({
  name: "traces keeps every acknowledged span when it is killed while spans come in",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (database) => {
      const random = new Random(1);
      const acknowledged: SpanData[][] = [];
      for (let round = 0; round < 2; round++) {
        await using traces = await Traces.start(database);
        const enough = Promise.withResolvers<void>();
        let isAlive = true;
        const pushers = Array.from({ length: 4 }, async (_, pusher) => {
          for (let index = 0; isAlive; index++) {
            const batch = Array.from({ length: 20 }, () => randomTrace(random, pusher + index));
            if (await traces.push(batch.flat())) acknowledged.push(...batch);
            if (acknowledged.length > (round + 1) * 1500) enough.resolve();
          }
        });
        await within("an acknowledgement of 1500 batches", enough.promise, {
          timeoutMs: 180_000,
          seen: () => `${acknowledged.length} in all`,
        });
        await traces.stop("SIGKILL");
        isAlive = false;
        await Promise.all(pushers);
      }
      await using traces = await Traces.start(database);
      for (const trace of acknowledged) {
        const [{ traceId }] = trace;
        const expected = trace.map(({ spanId }) => spanId).sort();
        assertEquals(await traces.spanIds(traceId), expected, traceId);
      }
      assertEquals(await traces.stop("SIGTERM"), 0);
    }),
});

Deno.test("traces ends with one sentence when its port or its file cannot be had", async () => {
  await withFolder(async (database) => {
    await using first = await Traces.start(database);
    const { port } = new URL(first.otlpUrl);
    const run = async (env: Record<string, string>) => {
      const { code, errors } = await runProgram(MAIN, { env: { ...FREE_PORTS, ...env } });
      return { code, text: errors };
    };
    const taken = await run({ DYN_TRACES_DB: `${database}2`, DYN_TRACES_OTLP_PORT: port });
    assertEquals(taken.code, 1);
    assertStringIncludes(taken.text, "set DYN_TRACES_HOST or DYN_TRACES_OTLP_PORT");
    const shared = await run({ DYN_TRACES_DB: database });
    assertEquals(shared.code, 1);
    assertStringIncludes(shared.text, "another traces service writes to it");
  });
});
