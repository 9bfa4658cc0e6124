/** The resource of a process: who it is, on every span it exports. */

import { defaultResource, type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { hostname } from "node:os";
import type { TelemetryOptions } from "../telemetry.ts";

/** Process and host, then the configured attributes, then the service's own name, version and id. */
export function processResource(
  options: Pick<
    TelemetryOptions,
    "resource" | "serviceName" | "serviceVersion" | "serviceInstanceId"
  >,
): Resource {
  return defaultResource().merge(resourceFromAttributes({
    "host.name": hostname(),
    "process.pid": Deno.pid,
    "process.runtime.name": "deno",
    "process.runtime.version": Deno.version.deno,
    "process.runtime.description": `V8 ${Deno.version.v8}`,
    ...options.resource,
    "service.name": options.serviceName,
    "service.version": options.serviceVersion,
    "service.instance.id": options.serviceInstanceId,
  }));
}

/** The attributes that tell one process from another, for log lines. */
export function processFields({ attributes }: Resource): Record<string, string> {
  const names = ["service.name", "service.instance.id", "host.name"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = attributes[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}
