/** The engine in a thread of its own. */

export { startEngine } from "./start_engine.ts";
