/** True when a server could listen on the address now. Port 0 is always free. */
export function isPortFree(hostname: string, port: number): boolean {
  try {
    Deno.listen({ hostname, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Ports that this process has given away: who got one may not listen on it yet. */
const given = new Set<number>();

/** The port of a service, which another program may take before the service listens on it. */
export class ServicePort {
  readonly #hostname: string;
  #port: number;

  constructor(hostname: string, preferred: number) {
    this.#hostname = hostname;
    this.#port = choosePort(hostname, preferred);
  }

  get port(): number {
    return this.#port;
  }

  /** The port, or another where it was taken: for a service that starts now. */
  take(): number {
    if (!isPortFree(this.#hostname, this.#port)) this.#port = choosePort(this.#hostname, 0);
    return this.#port;
  }
}

/** `preferred` when it is free, else some free port; never one that it gave before. */
export function choosePort(hostname: string, preferred: number): number {
  if (preferred > 0 && !given.has(preferred) && isPortFree(hostname, preferred)) {
    given.add(preferred);
    return preferred;
  }
  for (;;) {
    using listener = Deno.listen({ hostname, port: 0 });
    const free = listener.addr.port;
    if (given.has(free)) continue;
    given.add(free);
    return free;
  }
}
