// What the module exports.
export { awaitLaunch, rewind, run } from "./program";
export { multipliesBytesExactly } from "./dot";
export { repack } from "./repack";
