/** Everything on the query port: the page, what it asks of the frontend, its spans, Tempo's API. */

import { createFrontendProxy } from "./frontend_proxy.ts";
import { createPageSite } from "./page_site.ts";

type Handler = (request: Request) => Response | Promise<Response>;

export interface QuerySiteOptions {
  readonly api: Handler;
  /** Takes spans at `/v1/traces`: the page has one of its own in each request's trace. */
  readonly receive: Handler;
  readonly frontendUrl: string;
}

export function createQuerySite({ api, receive, frontendUrl }: QuerySiteOptions): Handler {
  const page = createPageSite();
  const frontend = createFrontendProxy({ url: frontendUrl });
  return async (request) => {
    if (new URL(request.url).pathname === "/v1/traces") return await receive(request);
    return await page(request) ?? await frontend(request) ?? await api(request);
  };
}
