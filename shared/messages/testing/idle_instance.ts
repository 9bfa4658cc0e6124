import type { InstanceRecord } from "../instance.ts";

/** The heartbeat of a decode worker without work, for tests that need one. */
export function idleInstance(record: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    instanceId: "i-1",
    namespace: "n",
    role: "decode",
    host: "h",
    pid: 1,
    startedAtMs: 1,
    sentAtMs: 2,
    state: "ready",
    model: { name: "m", cardDigest: "d", contextLength: 8, blockTokens: 16, blockBytes: 4 },
    device: { backend: "cpu", adapter: "a CPU", isSoftware: true },
    load: {
      runningSequences: 0,
      waitingSequences: 0,
      pendingPromptTokens: 0,
      usedBlocks: 0,
      totalBlocks: 1,
      queueLimit: 1,
      maxSequences: 1,
      maxBatchTokens: 8,
    },
    exporter: { exportedSpans: 0, droppedSpans: 0, failedBatches: 0, queuedSpans: 0 },
    ...record,
  };
}
