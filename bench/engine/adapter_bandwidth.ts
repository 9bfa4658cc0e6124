/** What the adapter can move: the floor that decode is compared with. */

const COPY_BYTES = 128 * 2 ** 20;
const COPIES = 9;

/** Bytes a second, read plus written, of the best of several large buffer copies. */
export async function copyBandwidth(adapter: GPUAdapter): Promise<number> {
  const device = await adapter.requestDevice();
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const from = device.createBuffer({ size: COPY_BYTES, usage });
  const to = device.createBuffer({ size: COPY_BYTES, usage });
  let best = 0;
  for (let i = 0; i < COPIES; i++) {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, 0, to, 0, COPY_BYTES);
    const commands = encoder.finish();
    const start = performance.now();
    device.queue.submit([commands]);
    // Deno's call blocks until the work is done; awaiting it would add its 10 ms sleep.
    const done = device.queue.onSubmittedWorkDone();
    const elapsedMs = performance.now() - start;
    await done;
    best = Math.max(best, 2 * COPY_BYTES / (elapsedMs / 1e3));
  }
  device.destroy();
  return best;
}
