/**
 * Refuses names of other sites on a port that listens on this machine only: a page elsewhere could give
 * its own name the address 127.0.0.1, and would then be of one origin with this service.
 */

const LOOPBACK = /^(localhost|(.+\.)?localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether only this machine reaches what listens on `hostname`. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/** Answers a request for a foreign host; null where it is none, or others may reach the port anyway. */
export function refuseForeignHost(request: Request, listensOn: string): Response | null {
  const host = request.headers.get("host");
  if (host === null || !isLoopback(listensOn) || isLoopback(host.replace(/:\d+$/, ""))) return null;
  return new Response(
    `Cannot answer for "${host}": this port is for this machine, as localhost or ${listensOn}. ` +
      "A proxy before it must send one of these as Host; DYN_TRACES_HOST opens it to other machines\n",
    { status: 403 },
  );
}
