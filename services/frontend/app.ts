/** The frontend's HTTP surface: the OpenAI API, its description, health and metrics. */

import { OpenAPIHono } from "@hono/zod-openapi";
import type { Handler } from "hono";
import { SIMULATED } from "../../shared/weights/model_file.ts";
import { ApiError, modelObject, toApiError } from "../../shared/openai/mod.ts";
import {
  CHAT_ROUTE,
  COMPLETION_ROUTE,
  HEALTH_ROUTE,
  LIVE_ROUTE,
  METRICS_ROUTE,
  MODEL_ROUTE,
  MODELS_ROUTE,
  REQUESTS_ROUTE,
} from "./api_document.ts";
import { CHAT_COMPLETIONS, COMPLETIONS } from "./endpoint.ts";
import { errorResponse } from "./error_response.ts";
import { health, type HealthDeps } from "./health.ts";
import { type FrontendEnv, type InferenceDeps, inferenceHandler } from "./inference.ts";
import type { ListedModel } from "./models.ts";
import { runningRequests } from "./running_requests.ts";
import type { WorkerReturn } from "./worker_return.ts";

export interface AppDeps extends InferenceDeps, HealthDeps {
  readonly workerReturn: WorkerReturn;
  /** Version in the OpenAPI document. */
  readonly version: string;
}

export function createApp(deps: AppDeps): OpenAPIHono<FrontendEnv> {
  const app = new OpenAPIHono<FrontendEnv>();
  addInference(app, deps);
  addModels(app, deps);
  addOperations(app, deps);
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: {
      title: "Baton",
      version: deps.version,
      description:
        "OpenAI-compatible completions. Parameters that are not listed are refused by name.",
    },
  });
  app.notFound((c) =>
    errorResponse(
      new ApiError("not_found", `Unknown request URL: ${c.req.method} ${c.req.path}`),
    )
  );
  app.onError((thrown) => {
    if (!(thrown instanceof ApiError)) {
      deps.telemetry.log.error("request failed outside the completion endpoints", {
        error: thrown.stack ?? thrown.message,
      });
    }
    return errorResponse(toApiError(thrown));
  });
  return app;
}

function addInference(app: OpenAPIHono<FrontendEnv>, deps: AppDeps): void {
  const endpoints = [[CHAT_ROUTE, CHAT_COMPLETIONS], [COMPLETION_ROUTE, COMPLETIONS]] as const;
  for (const [route, endpoint] of endpoints) {
    app.openAPIRegistry.registerPath(route);
    app.post(endpoint.route, inferenceHandler(deps, endpoint));
    app.all(endpoint.route, refuseOther("POST"));
  }
}

/** Answers what came with another method than `allowed`. */
function refuseOther(allowed: "GET" | "POST"): Handler {
  return (c) => {
    const error = new ApiError(
      "method_not_allowed",
      `Cannot ${c.req.method} ${c.req.path}: use ${allowed}`,
    );
    return errorResponse(error, { headers: { allow: allowed === "GET" ? "GET, HEAD" : allowed } });
  };
}

function addModels(app: OpenAPIHono<FrontendEnv>, { catalogue }: AppDeps): void {
  app.openapi(
    MODELS_ROUTE,
    (c) => c.json({ object: "list" as const, data: catalogue.list().map(describeModel) }, 200),
  );
  app.openAPIRegistry.registerPath(MODEL_ROUTE);
  app.all(MODELS_ROUTE.path, refuseOther("GET"));
  // Names may hold slashes, as in `org/model`.
  const one = "/v1/models/:model{.+}";
  app.get(one, async (c) => c.json(describeModel(await catalogue.find(c.req.param("model")))));
  app.all(one, refuseOther("GET"));
}

function describeModel({ model, servedSinceMs }: ListedModel) {
  const { name, contextLength, parameterCount, architecture } = model.card;
  return modelObject({
    name,
    contextLength,
    parameterCount,
    createdAtMs: servedSinceMs,
    isSimulated: architecture === SIMULATED,
  });
}

function addOperations(app: OpenAPIHono<FrontendEnv>, deps: AppDeps): void {
  app.openapi(LIVE_ROUTE, (c) => c.json({ status: "live" as const }, 200));
  app.openapi(HEALTH_ROUTE, (c) => {
    const body = health(deps);
    return c.json(body, body.status === "healthy" ? 200 : 503);
  });
  app.openapi(REQUESTS_ROUTE, (c) => c.json(runningRequests(deps), 200));
  app.openAPIRegistry.registerPath(METRICS_ROUTE);
  app.get(METRICS_ROUTE.path, async (c) => {
    const { body, contentType } = await deps.metrics.render(c.req.header("accept") ?? "");
    return c.body(body, 200, { "content-type": contentType });
  });
  for (const { path } of [LIVE_ROUTE, HEALTH_ROUTE, REQUESTS_ROUTE, METRICS_ROUTE]) {
    app.all(path, refuseOther("GET"));
  }
}
