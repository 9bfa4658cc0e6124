/** Single probes: each says once whether a service is ready, within a bounded time. */

const PROBE_TIMEOUT_MS = 2_000;
/** A server's greeting is some hundred bytes. */
const MAX_GREETING_BYTES = 16 * 1024;

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

/** A worker that takes requests, and is the one with this instance id: another may have its port. */
export async function answersAs(healthUrl: string, instanceId: string): Promise<boolean> {
  const health = await healthAt(healthUrl);
  return health?.instance_id === instanceId;
}

/**
 * A frontend that is healthy and has heard of all these workers, by their instance ids. One that has
 * not may be another's, which has the port.
 */
export async function servesWorkers(
  healthUrl: string,
  instanceIds: readonly string[],
): Promise<boolean> {
  const health = await healthAt(healthUrl);
  const heard = new Set(health?.instances?.map((instance) => instance.instance_id));
  return instanceIds.every((id) => heard.has(id));
}

interface HealthBody {
  readonly instance_id?: unknown;
  readonly instances?: readonly { readonly instance_id?: unknown }[];
}

/** Null unless it is answered with 200. */
async function healthAt(url: string): Promise<HealthBody | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    const body = await response.json();
    return response.status === 200 ? body : null;
  } catch {
    // Refused, silent or no JSON: not ready yet.
    return null;
  }
}

/** A NATS server greets each connection with a line of JSON after INFO; this one has the name. */
export async function greetsAsNats(
  address: { hostname: string; port: number },
  serverName: string,
): Promise<boolean> {
  try {
    using connection = await Deno.connect(address);
    const timer = setTimeout(() => connection.close(), PROBE_TIMEOUT_MS);
    try {
      const [, info] = /^INFO (.+)/.exec(await firstLine(connection)) ?? [];
      return info !== undefined && JSON.parse(info).server_name === serverName;
    } finally {
      clearTimeout(timer);
    }
  } catch {
    // Refused, cut off or no JSON: not ready yet.
    return false;
  }
}

/** Up to MAX_GREETING_BYTES of it. */
async function firstLine(connection: Deno.Conn): Promise<string> {
  const bytes = new Uint8Array(MAX_GREETING_BYTES);
  let length = 0;
  let lineEnd = -1;
  while (lineEnd < 0 && length < bytes.length) {
    const count = await connection.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
    lineEnd = bytes.subarray(0, length).indexOf("\n".charCodeAt(0));
  }
  return new TextDecoder().decode(bytes.subarray(0, lineEnd < 0 ? length : lineEnd));
}
