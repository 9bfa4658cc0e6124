/** Where the servers of a start listen: what the user set, or a free port where that is 0. */

import type { Settings } from "../../shared/config/mod.ts";
import type { StartOptions } from "./options.ts";
import { choosePort, isPortFree } from "./ports.ts";
import type { TracesAddress } from "./service_plan.ts";

/** Throws an Error when a port of the traces service cannot be had. */
export function tracesAddress(
  settings: Settings,
  frontend: TracesAddress["frontend"],
): Omit<TracesAddress, "logDir"> {
  const hostname = settings.DYN_TRACES_HOST;
  const portOf = (name: "DYN_TRACES_OTLP_PORT" | "DYN_TRACES_QUERY_PORT") => {
    const wanted = settings[name];
    if (!isFree({ hostname, port: wanted }, "DYN_TRACES_HOST")) {
      throw new Error(
        `Cannot keep traces at ${hostname}:${wanted}: another program listens there; set ${name} ` +
          "(0 takes a free one), or start with --no-traces",
      );
    }
    return choosePort(hostname, wanted);
  };
  return {
    hostname,
    otlpPort: settings.TEMPO_QUERY_URL === "" ? portOf("DYN_TRACES_OTLP_PORT") : null,
    queryPort: portOf("DYN_TRACES_QUERY_PORT"),
    frontend,
  };
}

/** Of the API. Throws an Error when it cannot be had. */
export function httpAddress(
  options: StartOptions,
  settings: Settings,
): { hostname: string; port: number } {
  const hostname = settings.DYN_HTTP_HOST;
  const port = options.port ?? settings.DYN_HTTP_PORT;
  if (isFree({ hostname, port }, "DYN_HTTP_HOST and --port")) {
    return { hostname, port: choosePort(hostname, port) };
  }
  throw new Error(
    `Cannot listen on ${hostname}:${port}: another program does; choose a port with --port, ` +
      "--port 0 takes a free one",
  );
}

/** Throws an Error that names `settings` where the address is not one of this machine. */
function isFree(address: { hostname: string; port: number }, settings: string): boolean {
  const { hostname, port } = address;
  try {
    return isPortFree(hostname, port);
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Error(`Cannot listen on ${hostname}:${port}: ${reason}; see ${settings}`);
  }
}
