/**
 * Payloads are msgpack. `undefined` properties are left out, so that an optional field comes back
 * absent and not `null`.
 */

import { Decoder, Encoder } from "@msgpack/msgpack";
import { checkElementCounts } from "./payload_check.ts";

/** Kept, since each would begin with buffers of its own. */
const ENCODER = new Encoder({ ignoreUndefined: true });
const DECODER = new Decoder();

/** Returns the msgpack encoding of `value`; throws when it holds a function, a symbol or a bigint. */
export function encodePayload(value: unknown): Uint8Array {
  return ENCODER.encode(value);
}

/**
 * Decodes a payload; an empty one is `undefined`. Byte strings in the result are copies: the NATS
 * client reuses the buffer that `data` views. Throws a TypeError when `data` is not msgpack.
 */
export function decodePayload(data: Uint8Array): unknown {
  if (data.byteLength === 0) return undefined;
  try {
    const hasBytes = checkElementCounts(data);
    return DECODER.decode(hasBytes ? data.slice() : data);
  } catch (error) {
    throw new TypeError("Cannot decode the payload: it is not msgpack", { cause: error });
  }
}
