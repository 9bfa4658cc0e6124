/** A peer cannot be had here. The message says what to do; the benchmark goes on without it. */
export class PeerMissing extends Error {
  override name = "PeerMissing";
}
