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

/** `preferred` when it is free and not in `taken`, else some free port. */
export function choosePort(
  hostname: string,
  preferred: { readonly port: number; readonly taken?: ReadonlySet<number> },
): number {
  const { port, taken } = preferred;
  if (port > 0 && !taken?.has(port) && isPortFree(hostname, port)) return port;
  for (;;) {
    using listener = Deno.listen({ hostname, port: 0 });
    const free = listener.addr.port;
    if (!taken?.has(free)) return free;
  }
}
