/** `/logs/<trace id>`: what the services logged of one request, as JSON. */

import { findLogLines, type FoundLines } from "./log_search.ts";

const PATH = /^\/logs\/([0-9a-f]{32})$/;

export interface LogSiteOptions {
  /** `DYN_LOG_DIR`; empty or "off" has none. */
  readonly folder: string;
}

/** Answers requests for logs; null for any other. */
export function createLogSite(
  { folder }: LogSiteOptions,
): (request: Request) => Promise<Response | null> {
  let last: Promise<unknown> = Promise.resolve();
  /** One at a time: each reads files as fast as it can. */
  const inTurn = (search: () => Promise<FoundLines>): Promise<FoundLines> => {
    const found = last.then(search);
    last = found.catch(() => {});
    return found;
  };
  return async ({ method, url, signal }) => {
    const { pathname } = new URL(url);
    if (!pathname.startsWith("/logs/")) return null;
    const traceId = PATH.exec(pathname)?.[1];
    if (traceId === undefined) {
      return new Response("Cannot look for logs: the path ends with a trace id, 32 hex digits\n", {
        status: 400,
      });
    }
    if (method !== "GET") {
      return new Response("405 method not allowed\n", { status: 405, headers: { allow: "GET" } });
    }
    try {
      return Response.json(await inTurn(() => findLogLines(traceId, { folder, signal })));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return new Response(`Cannot read the logs in ${folder}: ${reason}\n`, { status: 500 });
    }
  };
}
