/** Builds a frontend on a bus: catalogue, router, admission and the HTTP app. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Bus } from "../../shared/bus/bus.ts";
import type { FrontendMetrics } from "../../shared/telemetry/metrics/mod.ts";
import type { Telemetry } from "../../shared/telemetry/telemetry.ts";
import { Admission } from "./admission.ts";
import { createApp } from "./app.ts";
import { Dispatcher } from "./dispatcher.ts";
import { ModelCatalogue } from "./models.ts";
import type { FrontendOptions } from "./options.ts";

export interface FrontendDeps {
  readonly bus: Bus;
  readonly telemetry: Telemetry;
  readonly metrics: FrontendMetrics;
  readonly options: FrontendOptions;
  readonly version: string;
}

export interface Frontend extends Disposable {
  readonly app: OpenAPIHono;
  readonly admission: Admission;
  readonly catalogue: ModelCatalogue;
}

export function createFrontend(deps: FrontendDeps): Frontend {
  const { bus, telemetry, metrics, options } = deps;
  const directory = bus.directory();
  const catalogue = new ModelCatalogue(bus, directory, {
    cardTimeoutMs: options.cardTimeoutMs,
    telemetry,
    onNames: (names) => metrics.setModels(names),
  });
  metrics.observe(() => ({ exporter: telemetry.exporter }));
  const admission = new Admission(options.maxInflight);
  const app = createApp({
    ...deps,
    directory,
    dispatcher: new Dispatcher(directory, options),
    migrationLimit: options.migrationLimit,
    catalogue,
    admission,
  });
  return { app, admission, catalogue, [Symbol.dispose]: () => catalogue[Symbol.dispose]() };
}
