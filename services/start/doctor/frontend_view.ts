/** A running frontend as its `/health` and `/metrics` show it. */

import { z } from "zod";
import { epochMs } from "../../../shared/clock/epoch_clock.ts";
import { fetchFailure } from "../../../shared/process/fetch_failure.ts";
import { clockLeadMs } from "./clock_lead.ts";

const TIMEOUT_MS = 3_000;

const telemetrySchema = z.object({
  exported_spans: z.number(),
  dropped_spans: z.number(),
  failed_batches: z.number(),
  queued_spans: z.number(),
});

const healthSchema = z.object({
  status: z.enum(["healthy", "no_workers", "not_ready"]),
  stage: z.string(),
  models: z.array(z.string()),
  instances: z.array(z.object({
    component: z.string(),
    instance_id: z.string(),
    host: z.string(),
    state: z.string(),
    device: z.object({ backend: z.string(), adapter: z.string(), is_software: z.boolean() }),
    telemetry: telemetrySchema.optional(),
  })),
  bus: z.object({ is_connected: z.boolean() }),
  telemetry: telemetrySchema,
});

export type FrontendHealth = z.infer<typeof healthSchema>;

/** Requests by what they brought along of a trace. */
export interface TraceContexts {
  readonly continued: number;
  /** Something came that was not valid, or that `OTEL_PROPAGATORS` does not name. */
  readonly ignored: number;
  readonly absent: number;
}

export interface FrontendView {
  readonly health: FrontendHealth;
  readonly contexts: TraceContexts;
  /** How far its clock is ahead of this machine's at least, negative for behind; 0 where it may agree. */
  readonly clockLeadMs: number;
}

export type FrontendAnswer =
  | { readonly kind: "baton"; readonly view: FrontendView }
  /** Something else listens there. */
  | { readonly kind: "other"; readonly reason: string }
  | { readonly kind: "unreachable"; readonly reason: string };

/** Never throws. */
export async function viewFrontend(url: string): Promise<FrontendAnswer> {
  const base = url.replace(/\/+$/, "");
  let answer: TimedAnswer;
  try {
    answer = await get(`${base}/health`);
  } catch (error) {
    return { kind: "unreachable", reason: fetchFailure(error, TIMEOUT_MS) };
  }
  const health = healthSchema.safeParse(parseJson(answer.text));
  if (!health.success) {
    return { kind: "other", reason: "its /health is not that of a Baton frontend" };
  }
  try {
    const metrics = await get(`${base}/metrics`);
    const contexts = readContexts(metrics.text);
    return { kind: "baton", view: { health: health.data, contexts, clockLeadMs: leadOf(answer) } };
  } catch (error) {
    return { kind: "unreachable", reason: fetchFailure(error, TIMEOUT_MS) };
  }
}

interface TimedAnswer {
  readonly text: string;
  readonly date: string | null;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

async function get(url: string): Promise<TimedAnswer> {
  const askedAtMs = epochMs();
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const answeredAtMs = epochMs();
  const text = await response.text();
  return { text, date: response.headers.get("date"), askedAtMs, answeredAtMs };
}

function leadOf({ date, askedAtMs, answeredAtMs }: TimedAnswer): number {
  return date === null ? 0 : clockLeadMs(Date.parse(date), { askedAtMs, answeredAtMs });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function readContexts(metrics: string): TraceContexts {
  const count = (context: keyof TraceContexts) => {
    const line = new RegExp(
      `^dynamo_frontend_trace_context_total\\{context="${context}"\\} (\\d+)`,
      "m",
    ).exec(metrics);
    return Number(line?.[1] ?? 0);
  };
  return { continued: count("continued"), ignored: count("ignored"), absent: count("absent") };
}
