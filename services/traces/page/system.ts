/** The instances with their load and devices, and how the export of spans goes. */

import { fetchHealth } from "./backend.ts";
import { h, notice, repeat } from "./dom.ts";
import { asNumber, asRecord, asRecords, asText, type Json } from "./json.ts";

const POLL_MS = 2_000;
const ID_SHOWN = 8;
const COLUMNS = ["Instance", "Role", "Model", "Running", "Waiting", "Device", "Host"];

export function systemView(signal: AbortSignal): HTMLElement {
  const content = h("div", [h("p.hint", ["Looking…"])]);
  const look = async () => {
    try {
      content.replaceChildren(...healthParts(await fetchHealth(signal)));
    } catch (error) {
      if (!signal.aborted) content.replaceChildren(notice(error));
    }
  };
  void repeat(look, { intervalMs: POLL_MS, signal });
  return h("section.system", [h("h1", ["System"]), content]);
}

function healthParts(health: Json): HTMLElement[] {
  const isHealthy = health.status === "healthy";
  const instances = asRecords(health.instances);
  const isConnected = asRecord(health.bus).is_connected === true;
  return [
    h("p.figures", [
      h(isHealthy ? "strong.good" : "strong.bad", [asText(health.status)]),
      ` · frontend ${asText(health.stage)} · bus ${isConnected ? "connected" : "not connected"}`,
    ]),
    instances.length === 0
      ? notice("No worker is registered: start one, and look at its log")
      : instanceTable(instances),
    h("h2", ["Export of spans by the frontend"]),
    exporterTable(asRecord(health.telemetry)),
  ];
}

function instanceTable(instances: readonly Json[]): HTMLElement {
  const rows = instances.map((instance) => {
    const device = asRecord(instance.device);
    const software = device.is_software === true ? ", software" : "";
    const id = asText(instance.instance_id);
    const cells = [
      h("span", [id.slice(0, ID_SHOWN)], { attributes: { title: id } }),
      asText(instance.component) + (instance.is_draining === true ? " (draining)" : ""),
      asText(instance.model),
      count(instance.running),
      count(instance.waiting),
      `${asText(device.backend)}: ${asText(device.adapter)}${software}`,
      asText(instance.host),
    ];
    return h("tr", cells.map((cell) => h("td", [cell])));
  });
  return h("div.table_scroll", [
    h("table.list", [
      h("thead", [
        h("tr", COLUMNS.map((name) => h("th", [name], { attributes: { scope: "col" } }))),
      ]),
      h("tbody", rows),
    ]),
  ]);
}

function exporterTable(telemetry: Json): HTMLElement {
  const rows: [string, unknown][] = [
    ["exported", telemetry.exported_spans],
    ["waiting", telemetry.queued_spans],
    ["dropped", telemetry.dropped_spans],
    ["failed batches", telemetry.failed_batches],
  ];
  return h("table.pairs", [
    h("tbody", rows.map(([name, value]) => h("tr", [h("th", [name]), h("td", [count(value)])]))),
  ]);
}

function count(value: unknown): string {
  const number = asNumber(value);
  return Number.isNaN(number) ? "–" : number.toLocaleString("en");
}
