/**
 * An open WebGPU device: limits, health, and every buffer and pipeline made on it.
 *
 * WebGPU reports most failures on the side: validation errors as events, a lost device as a promise.
 * `Gpu` keeps the first one and `assertHealthy` throws it, so that a step never returns the contents
 * of buffers that no kernel wrote. Buffers and query sets are made here only, so that `close` frees all
 * of them and `bytesAllocated` is the truth.
 */

import { DeviceError } from "../backend.ts";
import { adapterName, bestAdapter, isSoftware } from "./adapter.ts";

/** How a kernel uses one buffer. */
export type BindingUse = "read" | "read_write" | "uniform";

/** A compiled kernel; `bind` fixes its buffers. */
export interface Kernel {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Limits that kernels and buffers depend on; requested in full from the adapter. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

const NO_ADAPTER = "Cannot open a WebGPU device: no adapter was found. Install a Vulkan driver " +
  "(Debian and Ubuntu: mesa-vulkan-drivers, or the GPU vendor's driver; in a container also " +
  "libvulkan1 and access to the GPU)";

export class Gpu {
  readonly device: GPUDevice;
  /** The adapter's name. */
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly hasTimestamps: boolean;
  readonly #buffers = new Set<GPUBuffer>();
  readonly #querySets: GPUQuerySet[] = [];
  readonly #kernels = new Map<string, Kernel>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #failed = Promise.withResolvers<DeviceError>();
  #failure: DeviceError | null = null;
  #isClosed = false;

  private constructor(adapter: GPUAdapter, device: GPUDevice) {
    this.device = device;
    this.adapter = adapterName(adapter);
    this.isSoftware = isSoftware(adapter);
    this.hasTimestamps = device.features.has("timestamp-query");
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#fail(
        `the WebGPU device refused work: ${(event as GPUUncapturedErrorEvent).error.message}`,
      );
    });
    device.lost.then((lost) => {
      if (!this.#isClosed) {
        this.#fail(`the WebGPU device was lost (${lost.reason}): ${lost.message}`);
      }
    });
  }

  /** Opens the best adapter with all of its limits. Rejects with a DeviceError. */
  static async open(): Promise<Gpu> {
    const adapter = await bestAdapter();
    if (!adapter) throw new DeviceError(NO_ADAPTER);
    const requiredLimits: Record<string, number> = {};
    for (const name of LIMITS) requiredLimits[name] = adapter.limits[name];
    const requiredFeatures: GPUFeatureName[] = adapter.features.has("timestamp-query")
      ? ["timestamp-query"]
      : [];
    try {
      return new Gpu(adapter, await adapter.requestDevice({ requiredLimits, requiredFeatures }));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceError(`Cannot open the WebGPU device: ${reason}`, { cause });
    }
  }

  get limits(): GPUSupportedLimits {
    return this.device.limits;
  }

  /** Bytes of all live buffers. */
  get bytesAllocated(): number {
    let bytes = 0;
    for (const buffer of this.#buffers) bytes += buffer.size;
    return bytes;
  }

  /** Resolves with what went wrong when the device cannot go on, also while nothing runs on it. */
  get failed(): Promise<DeviceError> {
    return this.#failed.promise;
  }

  /** Throws what went wrong on the device since it was opened. */
  assertHealthy(): void {
    if (this.#failure) throw this.#failure;
    if (this.#isClosed) throw new DeviceError("Cannot use the WebGPU device: it is closed");
  }

  /** Creates a zeroed buffer. Throws a DeviceError where it passes the adapter's limits. */
  buffer(label: string, byteLength: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(16, Math.ceil(byteLength / 4) * 4);
    const isBound = (usage & GPUBufferUsage.STORAGE) !== 0;
    const most = isBound
      ? Math.min(this.limits.maxBufferSize, this.limits.maxStorageBufferBindingSize)
      : this.limits.maxBufferSize;
    if (size > most) {
      throw new DeviceError(
        `Cannot create the buffer ${label}: it needs ${size} bytes, and ${this.adapter} allows ${most}`,
      );
    }
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#buffers.add(buffer);
    return buffer;
  }

  /** A storage buffer that kernels read and write, and that copies may fill and read. */
  storage(label: string, byteLength: number): GPUBuffer {
    return this.buffer(
      label,
      byteLength,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
  }

  /** A storage buffer with `data` in it. */
  storageFrom(
    label: string,
    data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
  ): GPUBuffer {
    const buffer = this.storage(label, data.byteLength);
    this.device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /** Creates a set of `count` timestamps; the device must have them. */
  timestamps(label: string, count: number): GPUQuerySet {
    const set = this.device.createQuerySet({ label, type: "timestamp", count });
    this.#querySets.push(set);
    return set;
  }

  release(buffer: GPUBuffer): void {
    if (this.#buffers.delete(buffer)) buffer.destroy();
  }

  /** Runs `use`, then releases every buffer that it created. */
  async temporary<T>(use: () => Promise<T>): Promise<T> {
    const kept = new Set(this.#buffers);
    try {
      return await use();
    } finally {
      for (const buffer of this.#buffers) {
        if (!kept.has(buffer)) this.release(buffer);
      }
    }
  }

  /** Compiles `code`, whose bindings of group 0 are `uses` in order. The same code is compiled once. */
  kernel(label: string, code: string, uses: readonly BindingUse[]): Kernel {
    let kernel = this.#kernels.get(code);
    if (!kernel) {
      const layout = this.#layout(uses);
      const pipeline = this.device.createComputePipeline({
        label,
        layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: this.device.createShaderModule({ label, code }), entryPoint: "main" },
      });
      kernel = { label, pipeline, layout };
      this.#kernels.set(code, kernel);
    }
    return kernel;
  }

  bind(kernel: Kernel, buffers: readonly GPUBuffer[]): GPUBindGroup {
    return this.device.createBindGroup({
      label: kernel.label,
      layout: kernel.layout,
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
  }

  /** Runs `work` on the open device. Rejects with a DeviceError where the device fails it. */
  async run<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.assertHealthy();
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof RangeError) throw cause;
      // That the device was lost is heard a turn after the call that failed for it.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.assertHealthy();
      if (cause instanceof DeviceError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceError(`Cannot ${what}: ${reason}`, { cause });
    }
  }

  /** Runs `build` and rejects with a DeviceError where the device refused what it made. */
  async checked<T>(what: string, build: () => T | Promise<T>): Promise<T> {
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    const outcome = await Promise.resolve().then(build).then(
      (result) => ({ result }),
      (failure: unknown) => ({ failure }),
    );
    const invalid = await this.device.popErrorScope();
    const exhausted = await this.device.popErrorScope();
    if (exhausted) {
      const allocated = Math.ceil(this.bytesAllocated / 2 ** 20);
      throw new DeviceError(
        `Cannot ${what}: the device has no memory left, with ${allocated} MiB asked for in all: ` +
          "lower kvCacheTokens or choose a smaller model",
      );
    }
    if (invalid) throw new DeviceError(`Cannot ${what}: ${invalid.message}`);
    if ("failure" in outcome) throw outcome.failure;
    return outcome.result;
  }

  /** Destroys every buffer, every query set and the device. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
    for (const set of this.#querySets) set.destroy();
    this.device.destroy();
  }

  #layout(uses: readonly BindingUse[]): GPUBindGroupLayout {
    const key = uses.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.device.createBindGroupLayout({
        entries: uses.map((use, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: BINDING_TYPES[use] },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  #fail(reason: string): void {
    this.#failure ??= new DeviceError(`Cannot go on: ${reason}`);
    this.#failed.resolve(this.#failure);
  }
}

const BINDING_TYPES: Readonly<Record<BindingUse, GPUBufferBindingType>> = {
  read: "read-only-storage",
  read_write: "storage",
  uniform: "uniform",
};
