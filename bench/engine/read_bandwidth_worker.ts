/// <reference lib="deno.worker" />
/** Reads memory of its own with the widest loads that WebAssembly has; answers bytes a second. */

const PAGES = 4096;
const TURN_MS = 200;
/** Loads of 16 bytes in a turn of the loop, over as many sums as hide their latency. */
const LOADS = 8;
const SUMS = 4;

const memory = new WebAssembly.Memory({ initial: PAGES });
// Pages that were never written are all the same one.
new Uint8Array(memory.buffer).fill(1);
const { instance } = await WebAssembly.instantiate(readLoop(), { env: { memory } });
const read = instance.exports.read as (from: number, to: number) => number;
self.onmessage = () => self.postMessage(bytesPerSecond());
self.postMessage(0);

function bytesPerSecond(): number {
  const startMs = performance.now();
  let bytes = 0;
  let elapsedMs = 0;
  while (elapsedMs < TURN_MS) {
    read(0, memory.buffer.byteLength);
    bytes += memory.buffer.byteLength;
    elapsedMs = performance.now() - startMs;
  }
  return bytes / elapsedMs * 1e3;
}

/** `read(from, to)` exclusive-ors all 16-byte words between two addresses. */
function readLoop(): Uint8Array<ArrayBuffer> {
  const get = (local: number) => [0x20, local];
  const set = (local: number) => [0x21, local];
  const xor = [0xfd, 0x51];
  const loads = Array.from({ length: LOADS }, (_, i) => {
    const sum = 2 + i % SUMS;
    return [...get(sum), ...get(0), 0xfd, 0x00, 4, i * 16, ...xor, ...set(sum)];
  }).flat();
  // from += 128; again while from < to.
  const next = [...get(0), 0x41, 0x80, 0x01, 0x6a, 0x22, 0, ...get(1), 0x49, 0x0d, 0];
  const total = [...get(2), ...get(3), ...xor, ...get(4), ...xor, ...get(5), ...xor];
  const lane = [0xfd, 0x1b, 0];
  const body = [1, SUMS, 0x7b, 0x03, 0x40, ...loads, ...next, 0x0b, ...total, ...lane, 0x0b];
  const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
  const section = (
    id: number,
    content: readonly number[],
  ) => [id, ...leb128(content.length), ...content];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
    ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, ...leb128(PAGES)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("read"), 0, 0]),
    ...section(10, [1, ...leb128(body.length), ...body]),
  ]);
}

function leb128(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...leb128(value >> 7)];
}
