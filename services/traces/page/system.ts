/** Who calls whom, the services and instances with their load and devices, and the export of spans. */

import { formatDuration } from "../../../shared/trace_view/format.ts";
import { fetchHealth } from "./backend.ts";
import { type CallGraph, fetchCallGraph, type Figures } from "./call_graph.ts";
import { callGraphDrawing } from "./call_graph_drawing.ts";
import { h, notice, redraw, repeat, showProblem } from "./dom.ts";
import { asNumber, asRecord, asRecords, asText, type Json } from "./json.ts";
import { listTable } from "./list_table.ts";
import { formatRate } from "./request_trends.ts";

const HEALTH_POLL_MS = 2_000;
/** It reads all spans of the period. */
const GRAPH_POLL_MS = 10_000;
const PERIOD_SECONDS = 900;
const ID_SHOWN = 8;
const PERIOD_WORDS = `of the last ${PERIOD_SECONDS / 60} minutes`;

export function systemView(signal: AbortSignal): HTMLElement {
  const state = h("div", [h("p.hint", ["Looking…"])]);
  const graphPart = h("div", [h("p.hint", ["Looking…"])]);
  let graph: CallGraph | null = null;
  let health: Json | null = null;
  const showHealth = () => {
    if (health !== null) redraw(state, healthParts(health, graph));
  };
  const lookAtHealth = async () => {
    try {
      health = await fetchHealth(signal);
      showHealth();
    } catch (error) {
      health = null;
      if (!signal.aborted) showProblem(state, error);
    }
  };
  const lookAtGraph = async () => {
    try {
      graph = await fetchCallGraph({ sinceSeconds: PERIOD_SECONDS, signal });
      redraw(graphPart, graphParts(graph));
      showHealth();
    } catch (error) {
      if (!signal.aborted) showProblem(graphPart, error);
    }
  };
  void repeat(lookAtHealth, { intervalMs: HEALTH_POLL_MS, signal });
  void repeat(lookAtGraph, { intervalMs: GRAPH_POLL_MS, signal });
  return h("section.system", [
    h("h1", ["System"]),
    state,
    h("h2", [`Calls and services ${PERIOD_WORDS}`]),
    graphPart,
  ]);
}

function healthParts(health: Json, graph: CallGraph | null): HTMLElement[] {
  const isHealthy = health.status === "healthy";
  const instances = asRecords(health.instances);
  const isConnected = asRecord(health.bus).is_connected === true;
  return [
    h("p.figures", [
      h(isHealthy ? "strong.good" : "strong.bad", [asText(health.status)]),
      ` · frontend ${asText(health.stage)} · bus ${isConnected ? "connected" : "not connected"}`,
    ]),
    h("h2", ["Instances"]),
    instances.length === 0
      ? notice("No worker is registered: start one, and look at its log")
      : instanceTable(instances, graph),
    h("h2", ["Export of spans"]),
    exporterTable(health, instances),
  ];
}

function instanceTable(instances: readonly Json[], graph: CallGraph | null): HTMLElement {
  const rows = instances.map((instance) => {
    const device = asRecord(instance.device);
    const isSoftwareAdapter = device.is_software === true && device.backend !== "cpu";
    const id = asText(instance.instance_id);
    const figures = graph?.instances.get(id);
    return [
      h("span", [id.slice(0, ID_SHOWN)], { attributes: { title: id } }),
      asText(instance.component) +
      (instance.state === "ready" ? "" : ` (${asText(instance.state)})`),
      asText(instance.model),
      count(instance.running),
      count(instance.waiting),
      kvUse(instance),
      figures === undefined ? "" : formatRate(figures.count / PERIOD_SECONDS),
      p95(figures),
      `${asText(device.backend)}: ${asText(device.adapter)}` +
      (isSoftwareAdapter ? ", software" : ""),
      asText(instance.host),
    ];
  });
  const head = [
    "Instance",
    "Role",
    "Model",
    "Running",
    "Waiting",
    "KV in use",
    "Requests",
    "p95",
    "Device",
    "Host",
  ];
  return listTable(head, rows);
}

function graphParts(graph: CallGraph): HTMLElement[] {
  if (graph.services.length === 0) {
    return [h("p.hint", [`No span ${PERIOD_WORDS}: ask something in the chat.`])];
  }
  const rows = graph.services.map((service) => [
    service.name || "(unknown)",
    service.count === 0 ? "not called" : formatRate(service.count / PERIOD_SECONDS),
    p95(service),
    service.failed === 0 ? "0" : h("strong.bad", [count(service.failed)]),
    count(service.spans),
  ]);
  const problem = graph.edgesProblem;
  return [
    ...(problem === "" ? [] : [h("p.hint", [`The store cannot tell who calls whom: ${problem}`])]),
    h("div.calls", [
      callGraphDrawing(graph, { sinceSeconds: PERIOD_SECONDS }),
      h("div", [
        listTable(["Service", "Requests", "p95", "Failed", "Spans received"], rows),
        h("p.hint", [
          "A call is a SERVER or CONSUMER span right below a CLIENT or PRODUCER span of another " +
          "service. p95 is near, not exact: it comes from buckets that double.",
        ]),
      ]),
    ]),
  ];
}

/** `25 % of 512 blocks`; empty where the frontend does not tell. */
function kvUse({ used_blocks: used, total_blocks: total }: Json): string {
  const share = asNumber(used) / asNumber(total);
  return Number.isFinite(share) ? `${Math.round(share * 100)} % of ${count(total)} blocks` : "";
}

/** How the frontend and each worker fare with what they send to the collector, since they started. */
function exporterTable(health: Json, instances: readonly Json[]): HTMLElement {
  const rows = [
    exporterRow("frontend", health.telemetry),
    ...instances.map(({ component, instance_id: id, telemetry }) =>
      exporterRow(`${asText(component)} ${asText(id).slice(0, ID_SHOWN)}`, telemetry)
    ),
  ];
  return listTable(["By", "State", "Exported", "Waiting", "Lost", "Failed attempts"], rows);
}

function exporterRow(name: string, exporter: unknown): (string | HTMLElement)[] {
  const telemetry = asRecord(exporter);
  return [
    name,
    exporterState(telemetry),
    count(telemetry.exported_spans),
    count(telemetry.queued_spans),
    count(telemetry.dropped_spans),
    count(telemetry.failed_batches),
  ];
}

/** An attempt that failed is made again; a span that was dropped is lost. */
function exporterState(telemetry: Json): HTMLElement {
  const exported = asNumber(telemetry.exported_spans);
  const failed = asNumber(telemetry.failed_batches);
  if (Number.isNaN(exported)) return h("span", ["not told"]);
  if (asNumber(telemetry.dropped_spans) > 0) return h("strong.bad", ["loses spans"]);
  if (failed > 0) return h("strong.warned", ["had to try again"]);
  return exported > 0 ? h("strong.good", ["healthy"]) : h("span", ["none yet"]);
}

function p95(figures: Figures | undefined): string {
  return figures === undefined || figures.count === 0
    ? ""
    : `≈ ${formatDuration(figures.p95Seconds * 1e6)}`;
}

function count(value: unknown): string {
  const number = asNumber(value);
  return Number.isNaN(number) ? "–" : number.toLocaleString("en");
}
