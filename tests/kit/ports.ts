/**
 * Ports for programs that are told theirs before they run, and for addresses at which nobody is.
 *
 * They lie below those that systems give out by themselves (from 32768 on Linux, from 49152
 * elsewhere): one of those may be anybody's a moment after it was found free, and a client that dials
 * it while nobody listens may even meet itself.
 */

const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;
const ATTEMPTS = 100;
/** Who got one may not listen there yet. */
const given = new Set<number>();

/** A port that nobody has, and nobody gets who does not ask for it by its number. */
export function freePort(): number {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (given.has(port)) continue;
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      given.add(port);
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error(`Cannot find a free port: ${ATTEMPTS} of them were taken`);
}
