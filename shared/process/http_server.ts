/** Serves HTTP for a service. Deno sets TCP_NODELAY: what is written leaves at once. */

export interface HttpServerOptions {
  readonly hostname: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Names of the settings that both come from, for the error. */
  readonly settings: string;
}

/** Throws an Error that says what to change when the address cannot be had. */
export function serveHttp(
  handler: (request: Request) => Response | Promise<Response>,
  { hostname, port, settings }: HttpServerOptions,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname, port, onListen: () => {} }, handler);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot listen on ${hostname}:${port}: ${reason}; set ${settings}`, { cause });
  }
}
