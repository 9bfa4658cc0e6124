/** A trace store in a temporary folder. */

import { join } from "@std/path/mod.js";
import { TraceStore, type TraceStoreOptions } from "../../../shared/trace_store/mod.ts";

export interface OpenStore extends AsyncDisposable {
  readonly store: TraceStore;
  readonly path: string;
  readonly notices: readonly string[];
}

const FOREVER = { maxAgeMs: 1e15, maxBytes: 1e15 };

export async function openStore(options: Partial<TraceStoreOptions> = {}): Promise<OpenStore> {
  const folder = await Deno.makeTempDir();
  const path = options.path ?? join(folder, "traces.db");
  const notices: string[] = [];
  const store = await TraceStore.open({
    retention: FOREVER,
    queryTimeoutMs: 20_000,
    onNotice: (message) => notices.push(message),
    onOutput: ({ text }) => notices.push(text),
    ...options,
    path,
  });
  return {
    store,
    path,
    notices,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
