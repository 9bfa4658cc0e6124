/**
 * Reading device memory.
 *
 * Deno 2.9 waits for the device inside `mapAsync` itself and then sleeps 10 ms before it resolves the
 * promise. When the call returns, the buffer is mapped already, so `getMappedRange` at once gives the
 * data after 0.1 ms instead of 11. That is off the specification and has one trap: a buffer that was
 * never mapped with an awaited call makes `getMappedRange` panic, and a panic ends the process. So
 * `immediate` mode is used only where `probeImmediateReadback` saw it work in a child process on a
 * known version, and `prime` must have run. `awaited` mode works everywhere.
 */

import { DeviceError } from "../backend.ts";
import type { Gpu } from "./device.ts";

export type ReadbackMode = "awaited" | "immediate";

export class Readback {
  /** The copy target; encode a copy into it before `read`. */
  readonly buffer: GPUBuffer;
  readonly #mode: ReadbackMode;
  #isPrimed = false;

  constructor(
    gpu: Gpu,
    options: { readonly label: string; readonly byteLength: number; readonly mode: ReadbackMode },
  ) {
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.buffer = gpu.buffer(`${options.label} readback`, options.byteLength, usage);
    this.#mode = options.mode;
  }

  /** Maps the buffer once, awaited. Needed before an immediate read. */
  async prime(): Promise<void> {
    await this.buffer.mapAsync(GPUMapMode.READ);
    this.buffer.unmap();
    this.#isPrimed = true;
  }

  /** Reads the first `byteLength` bytes, after all submitted work. The result is a copy. */
  async read(byteLength: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const mapping = this.buffer.mapAsync(GPUMapMode.READ, 0, byteLength);
      if (this.#mode === "immediate" && this.#isPrimed) {
        // Settles 10 ms later; whether the mapping worked shows in the next line.
        mapping.catch(() => {});
      } else {
        await mapping;
      }
      const data = new Uint8Array(this.buffer.getMappedRange(0, byteLength).slice(0));
      this.buffer.unmap();
      return data;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceError(`Cannot read ${this.buffer.label} from the device: ${reason}`, {
        cause,
      });
    }
  }
}

/** Reads all of `buffer` once. For tests of the device; a step has its own `Readback`. */
export async function readBuffer(gpu: Gpu, buffer: GPUBuffer): Promise<Uint8Array<ArrayBuffer>> {
  const readback = new Readback(gpu, {
    label: buffer.label,
    byteLength: buffer.size,
    mode: "awaited",
  });
  try {
    const encoder = gpu.device.createCommandEncoder({ label: `read ${buffer.label}` });
    encoder.copyBufferToBuffer(buffer, 0, readback.buffer, 0, buffer.size);
    gpu.device.queue.submit([encoder.finish()]);
    return await readback.read(buffer.size);
  } finally {
    gpu.release(readback.buffer);
  }
}
