/** Everything on the query port: the page, what it asks of the frontend, logs, metrics, Tempo's API. */

import type { MetricsPage } from "../../shared/telemetry/metrics/mod.ts";
import { createFrontendProxy } from "./frontend_proxy.ts";
import { refuseForeign } from "./host_guard.ts";
import { createLogSite } from "./log_site.ts";
import { createPageSite } from "./page_site.ts";

type Handler = (request: Request) => Response | Promise<Response>;

export interface QuerySiteOptions {
  /** Address that the port listens on. */
  readonly hostname: string;
  /** Tempo's query API: of the built-in store, or passed on to a Tempo. */
  readonly api: Handler;
  /** Takes spans at `/v1/traces`: the page has one of its own in each request's trace. */
  readonly receive: Handler;
  /** The page of `/metrics`, for an `Accept` header; null has none. */
  readonly metrics: ((accept: string) => Promise<MetricsPage>) | null;
  readonly frontendUrl: string;
  /** Folder of the services' logs; empty or "off" has none. */
  readonly logFolder: string;
}

export function createQuerySite(options: QuerySiteOptions): Handler {
  const page = createPageSite();
  const frontend = createFrontendProxy({ url: options.frontendUrl });
  const logs = createLogSite({ folder: options.logFolder });
  return async (request) => {
    const refusal = refuseForeign(request, options.hostname);
    if (refusal !== null) return refusal;
    const { pathname } = new URL(request.url);
    if (pathname === "/v1/traces") return await options.receive(request);
    if (pathname === "/metrics" && options.metrics !== null) {
      const { body, contentType } = await options.metrics(request.headers.get("accept") ?? "");
      return new Response(body, { headers: { "content-type": contentType } });
    }
    return await page(request) ?? await frontend(request) ?? await logs(request) ??
      await options.api(request);
  };
}
