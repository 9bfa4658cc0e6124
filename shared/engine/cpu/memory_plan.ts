/**
 * Where everything lies in the one shared memory: planned in full before a byte of it exists, so that
 * a model which does not fit is refused at once.
 */

import { DeviceError } from "../backend.ts";
import { mib } from "../host_memory.ts";

const PAGE_BYTES = 65_536;
/** What 32-bit WebAssembly can address: 4 GiB. */
const MAX_PAGES = 65_536;
/** Regions begin at cache lines. */
const ALIGNMENT = 64;
/** Loads of whole vectors may pass the end of what they need. */
const SLACK_BYTES = 64;

/** What a region is for, as refusals name it. */
export type MemoryUse = "weights" | "KV cache" | "activations";

/** Hands out addresses. The first page is the module's own. */
export class MemoryPlan {
  #end = PAGE_BYTES;
  readonly #bytesOf = new Map<MemoryUse, number>();

  /** Reserves `bytes`; returns their address. */
  reserve(use: MemoryUse, bytes: number): number {
    const address = this.#end;
    const size = Math.ceil((bytes + SLACK_BYTES) / ALIGNMENT) * ALIGNMENT;
    this.#end += size;
    this.#bytesOf.set(use, (this.#bytesOf.get(use) ?? 0) + size);
    return address;
  }

  get bytes(): number {
    return this.#end;
  }

  /** Throws a DeviceError with the numbers where the plan passes what exists. */
  check(modelPath: string, availableBytes: number | undefined): void {
    const parts = [...this.#bytesOf].map(([use, bytes]) => `${use} ${mib(bytes)}`).join(", ");
    const need = `Cannot load ${modelPath}: it needs ${mib(this.#end)} (${parts})`;
    if (this.#end > MAX_PAGES * PAGE_BYTES) {
      throw new DeviceError(
        `${need}, and the CPU backend holds 4096 MiB: lower kvCacheTokens, choose a smaller ` +
          "model, or run on a GPU",
      );
    }
    if (availableBytes !== undefined && this.#end > availableBytes) {
      throw new DeviceError(
        `${need}, and this machine has ${mib(availableBytes)} free: lower kvCacheTokens or ` +
          "choose a smaller model",
      );
    }
  }

  /** The memory, zeroed; pages that are never touched cost nothing. */
  create(): WebAssembly.Memory {
    const pages = Math.ceil(this.#end / PAGE_BYTES);
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  }
}
