/** The resource of a process: who it is, on every span it exports. */

import { defaultResource, type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import { hostname } from "node:os";
import { redactFields } from "../log/redact.ts";
import type { ResourceAttributes, TelemetryOptions } from "../telemetry.ts";

/** Names of `Deno.build.arch` as OpenTelemetry's conventions write them. */
const ARCHITECTURES: Readonly<Record<typeof Deno.build.arch, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

/** What a process knows of itself at its start, and what it adds later. */
export class ProcessResource implements Resource {
  #current: Resource;

  /** The service and its process, then the configured attributes, which win. */
  constructor(
    options: Pick<
      TelemetryOptions,
      "resource" | "serviceName" | "serviceVersion" | "serviceInstanceId"
    >,
  ) {
    this.#current = defaultResource().merge(resourceFromAttributes({
      "host.name": hostname(),
      "host.arch": ARCHITECTURES[Deno.build.arch],
      "os.type": Deno.build.os,
      "process.pid": Deno.pid,
      "process.runtime.name": "deno",
      "process.runtime.version": Deno.version.deno,
      "process.runtime.description": `V8 ${Deno.version.v8}`,
      "service.name": options.serviceName,
      "service.version": options.serviceVersion,
      "service.instance.id": options.serviceInstanceId,
      ...redactFields(options.resource),
    }));
  }

  add(attributes: ResourceAttributes): void {
    this.#current = this.#current.merge(resourceFromAttributes(redactFields(attributes)));
  }

  get attributes(): Resource["attributes"] {
    return this.#current.attributes;
  }

  merge(other: Resource | null): Resource {
    return this.#current.merge(other);
  }

  getRawAttributes(): ReturnType<Resource["getRawAttributes"]> {
    return this.#current.getRawAttributes();
  }
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
