// What the module exports.
export { awaitLaunch, rewind, run } from "./program";
export { multipliesBytesExactly } from "./linear_bytes";
export { repack } from "./repack";
