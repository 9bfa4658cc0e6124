/**
 * An open WebGPU device: limits, health, and every buffer and pipeline made on it.
 *
 * WebGPU reports most failures on the side: validation errors as events, a lost device as a promise.
 * `Gpu` keeps the first one and `assertHealthy` throws it, so that a step never returns the contents
 * of buffers that no kernel wrote. Buffers are made here only, so that `close` frees all of them and
 * `bytesAllocated` is the truth.
 */

import { DeviceError } from "../backend.ts";

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

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software/i;

export class Gpu {
  readonly device: GPUDevice;
  /** The adapter's description, or its vendor and architecture where it has none. */
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly hasTimestamps: boolean;
  readonly #buffers = new Set<GPUBuffer>();
  readonly #kernels = new Map<string, Kernel>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  #failure: DeviceError | null = null;
  #isClosed = false;

  private constructor(adapter: GPUAdapter, device: GPUDevice) {
    this.device = device;
    const info = adapter.info;
    this.adapter = info.description || `${info.vendor} ${info.architecture}`.trim() || "unknown";
    this.isSoftware = info.isFallbackAdapter || SOFTWARE.test(this.adapter);
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
    const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
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

  /** Runs `build` and rejects with a DeviceError where the device refused what it made. */
  async checked<T>(what: string, build: () => T | Promise<T>): Promise<T> {
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    let result: T;
    let errors: (GPUError | null)[];
    try {
      result = await build();
    } finally {
      errors = [await this.device.popErrorScope(), await this.device.popErrorScope()];
    }
    const error = errors.find((entry) => entry !== null);
    if (error) throw new DeviceError(`Cannot ${what}: ${error.message || "out of device memory"}`);
    return result;
  }

  /** Destroys every buffer and the device. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
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
  }
}

const BINDING_TYPES: Readonly<Record<BindingUse, GPUBufferBindingType>> = {
  read: "read-only-storage",
  read_write: "storage",
  uniform: "uniform",
};
