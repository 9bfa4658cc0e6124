import type { ExportTls } from "../telemetry/telemetry.ts";

/** A client of `fetch` that trusts and shows what the exporter does. */
export function tlsClient({ ca, cert, key }: ExportTls): Deno.HttpClient {
  return Deno.createHttpClient({
    caCerts: ca === undefined ? [] : [ca],
    ...(cert !== undefined && key !== undefined && { cert, key }),
  });
}
