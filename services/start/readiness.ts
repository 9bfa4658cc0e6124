/** Single probes: each says once whether a service is ready, within a bounded time. */

const PROBE_TIMEOUT_MS = 2_000;

/** A GET that is answered with 200. */
export async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    // Refused or silent: not ready yet.
    return false;
  }
}

/** A frontend that is healthy and has heard of at least `count` workers. */
export async function servesWorkers(healthUrl: string, count: number): Promise<boolean> {
  try {
    const response = await fetch(healthUrl, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    const health: { readonly instances?: readonly unknown[] } = await response.json();
    return response.status === 200 && (health.instances?.length ?? 0) >= count;
  } catch {
    // Refused, silent or no JSON: not ready yet.
    return false;
  }
}

/** A NATS server greets each connection with a line that starts with INFO. */
export async function greetsAsNats(address: { hostname: string; port: number }): Promise<boolean> {
  try {
    using connection = await Deno.connect(address);
    const timer = setTimeout(() => connection.close(), PROBE_TIMEOUT_MS);
    try {
      const buffer = new Uint8Array(4);
      const count = await connection.read(buffer);
      return count === 4 && new TextDecoder().decode(buffer) === "INFO";
    } finally {
      clearTimeout(timer);
    }
  } catch {
    return false;
  }
}
