/** What a KV transfer's statistics are called on its spans, the same at both ends. */

import type { TransferStats } from "../bus/mod.ts";
import type { AttributeValues } from "../telemetry/registry/mod.ts";

export function transferAttributes(
  { bytes, chunks, creditWaitMs, wireMs }: TransferStats,
): Partial<AttributeValues<"kv_send" | "kv_receive">> {
  return {
    "kv.bytes": bytes,
    "kv.chunks": chunks,
    "kv.credit_wait_ms": creditWaitMs,
    "kv.wire_ms": wireMs,
    ...(wireMs > 0 ? { "kv.mb_per_s": bytes / 1000 / wireMs } : {}),
  };
}
