/** What a start says of itself once everything runs. */

import { deviceAdvice } from "./device.ts";
import type { Prepared } from "./prepare.ts";
import type { PlannedService, TracesPlan } from "./service_plan.ts";
import type { Terminal } from "./terminal.ts";

export interface Running {
  /** As clients ask for it. */
  readonly model: string;
  readonly traces: TracesPlan | null;
  readonly natsUrl: string;
  readonly workers: readonly PlannedService[];
  readonly frontend: PlannedService;
}

export interface SummaryInput {
  readonly prepared: Prepared;
  readonly startedAtMs: number;
  readonly terminal: Terminal;
  /** What runs a task, before its name. */
  readonly task: string;
  readonly hasLogs: boolean;
}

/** As whoever started this called it: with npx, no `deno` is on the path of another terminal. */
export function taskCommand(env: Readonly<Record<string, string>>): string {
  const isNpx = env.npm_command === "exec";
  return isNpx ? `npx -y deno@${Deno.version.deno} task` : "deno task";
}

function spansTo({ otlpUrl }: TracesPlan): string {
  return otlpUrl === null ? "over the Tempo of TEMPO_QUERY_URL" : `OTLP at ${otlpUrl}`;
}

/** Its lines. */
export function summary(running: Running, input: SummaryInput): string[] {
  const { device } = input.prepared;
  const seconds = ((performance.now() - input.startedAtMs) / 1000).toFixed(1);
  const { url } = running.frontend;
  const body = JSON.stringify({
    model: running.model,
    messages: [{ role: "user", content: "Hello!" }],
    max_tokens: 100,
    stream: true,
  });
  return [
    "",
    input.terminal.emphasise(`Baton is ready after ${seconds} s: ${running.model} at ${url}/v1`),
    `  nats       ${running.natsUrl}`,
    ...running.workers.map((worker) =>
      `  ${worker.name.padEnd(10)} ${worker.url}/health, /metrics`
    ),
    `  frontend   ${url}/health, /metrics, /openapi.json`,
    ...(running.traces === null ? [] : [
      `  traces     ${running.traces.url} (page, Tempo's API, /metrics), ${
        spansTo(running.traces)
      }`,
    ]),
    `  device     ${device.backend}: ${device.description}`,
    ...deviceAdvice(device).map((line) => `             ${line}`),
    "",
    `  curl -N ${url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
    ...(input.hasLogs ? [`  ${input.task} trace last    draws the last request here`] : []),
    ...(running.traces === null
      ? []
      : [`  ${running.traces.url}    chat, and the waterfall of every request, in a browser`]),
    "",
    "Ctrl-C stops it.",
  ];
}
