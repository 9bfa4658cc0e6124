/**
 * Refuses what pages of other sites make a browser ask of the query port.
 *
 * A page elsewhere could give its own name the address 127.0.0.1, and would then be of one origin with
 * this service: a port that listens on this machine only answers to this machine's names. And a page
 * elsewhere may send requests without reading the answers, which browsers mark (`Sec-Fetch-Site`).
 */

const LOOPBACK = /^((.+\.)?localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether only this machine reaches what listens on `hostname`. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/** Answers a request that another site's page is behind, or that is for a foreign host; null for others. */
export function refuseForeign(request: Request, listensOn: string): Response | null {
  const host = request.headers.get("host");
  if (host !== null && isLoopback(listensOn) && !isLoopback(host.replace(/:\d+$/, ""))) {
    return new Response(
      `Cannot answer for "${host}": this port is for this machine, as localhost or ${listensOn}. ` +
        "A proxy before it must send one of these as Host; DYN_TRACES_HOST opens it to other machines\n",
      { status: 403 },
    );
  }
  return isFromOtherSite(request)
    ? new Response(
      "Cannot answer: only the page of this service may ask here, not another site's\n",
      {
        status: 403,
      },
    )
    : null;
}

/** Not where a reader follows a link to the page. */
function isFromOtherSite({ headers, method }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return false;
  return !(method === "GET" && headers.get("sec-fetch-mode") === "navigate");
}
