import type { Kernel } from "./device.ts";

/** A kernel with its buffers, ready to be dispatched over rows. */
export interface Launch {
  readonly kernel: Kernel;
  readonly bindings: GPUBindGroup;
  /** Workgroups that one row takes. */
  readonly workgroups: number;
}

/** Dispatches `launch` once for each of `rows` rows. */
export function encodeRows(pass: GPUComputePassEncoder, launch: Launch, rows: number): void {
  pass.setPipeline(launch.kernel.pipeline);
  pass.setBindGroup(0, launch.bindings);
  pass.dispatchWorkgroups(launch.workgroups, rows);
}
