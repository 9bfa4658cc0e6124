/** A frontend on a fake bus, and readers of its answers. */

import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import {
  createFrontendMetrics,
  type FrontendMetrics,
} from "../../../shared/telemetry/metrics/mod.ts";
import { createFrontend, type Frontend } from "../frontend.ts";
import type { FrontendOptions } from "../options.ts";
import { FakeBus } from "./fake_bus.ts";
import { FakeOutgoing } from "./fake_outgoing.ts";
import { FakeTelemetry } from "./fake_telemetry.ts";
import { FakeModel, type FakeWorkerOptions, startFakeWorker } from "./fake_worker.ts";

const OPTIONS: FrontendOptions = {
  maxBodyBytes: 64 * 1024,
  maxInflight: 16,
  requestTimeoutMs: 30_000,
  migrationLimit: 2,
  localPrefillMaxTokens: 0,
  keepAliveIntervalMs: 10_000,
  cardTimeoutMs: 1_000,
  workerReturnMs: 0,
};

export interface FrontendKitOptions {
  readonly answer?: string;
  readonly options?: Partial<FrontendOptions>;
  readonly model?: FakeModel;
}

type WorkerChoice = Omit<FakeWorkerOptions, "model"> & { model?: FakeModel };

export class FrontendKit implements Disposable {
  readonly bus = new FakeBus();
  readonly telemetry = new FakeTelemetry();
  readonly metrics: FrontendMetrics = createFrontendMetrics();
  readonly model: FakeModel;
  readonly frontend: Frontend;

  private constructor(model: FakeModel, options: Partial<FrontendOptions>) {
    this.model = model;
    this.frontend = createFrontend({
      bus: this.bus,
      telemetry: this.telemetry,
      metrics: this.metrics,
      options: { ...OPTIONS, ...options },
      version: "0.0.0",
    });
  }

  static async start(choice: FrontendKitOptions = {}): Promise<FrontendKit> {
    const model = choice.model ?? await FakeModel.create(choice.answer ?? "Hello, world");
    return new FrontendKit(model, choice.options ?? {});
  }

  /** Starts a worker and waits until its model can be asked for. */
  async worker(choice: WorkerChoice): Promise<void> {
    startFakeWorker(this.bus, { model: this.model, ...choice });
    await this.frontend.catalogue.resolve((choice.model ?? this.model).card.name).catch(() => {});
  }

  /** A prefill and a decode worker. */
  async pair(
    hooks: { prefill?: Partial<WorkerChoice>; decode?: Partial<WorkerChoice> } = {},
  ): Promise<void> {
    await this.worker({ role: "prefill", instanceId: "p1", ...hooks.prefill });
    await this.worker({ role: "decode", instanceId: "d1", ...hooks.decode });
  }

  /** Answers as the app does over a connection. */
  async request(path: string | Request, init?: RequestInit): Promise<Response> {
    const outgoing = new FakeOutgoing();
    const response = await this.frontend.app.request(path, init, { outgoing });
    return response === RESPONSE_ALREADY_SENT ? await outgoing.response() : response;
  }

  async get(path: string): Promise<Response> {
    return await this.request(path);
  }

  async post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return await this.request(path, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
      headers: { "content-type": "application/json", ...init.headers },
    });
  }

  async chat(body: Record<string, unknown> = {}, init: RequestInit = {}): Promise<Response> {
    const messages = [{ role: "user", content: "Hi" }];
    return await this.post("/v1/chat/completions", { model: "tiny", messages, ...body }, init);
  }

  async complete(body: Record<string, unknown> = {}, init: RequestInit = {}): Promise<Response> {
    return await this.post("/v1/completions", { model: "tiny", prompt: "Once", ...body }, init);
  }

  [Symbol.dispose](): void {
    this.frontend[Symbol.dispose]();
  }
}

/** Events of a stream that was read to its end: parsed data, or the text of comments and `[DONE]`. */
// deno-lint-ignore no-explicit-any
export async function readEvents(response: Response): Promise<any[]> {
  const text = await response.text();
  return text.split("\n\n").filter((block) => block !== "").map((block) => {
    const data = block.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
    return data === undefined || data === "[DONE]" ? data ?? block : JSON.parse(data);
  });
}

/** The text that the chunks of a chat stream make together. */
// deno-lint-ignore no-explicit-any
export function textOf(events: any[]): string {
  return events
    .flatMap((event) => event.choices ?? [])
    .map((choice) => choice.delta?.content ?? choice.text ?? "")
    .join("");
}
