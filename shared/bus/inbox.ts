/**
 * One long-lived wildcard inbox for a process: an inbox per call would cost a SUB and an UNSUB each,
 * which over a socket with Nagle's algorithm is 40 ms before the first answer.
 *
 * An address is `<inbox>.<id>` or `<inbox>.<id>.<purpose>`. The purpose comes back with every
 * answer, so that one listener can tell what a "nobody listens" of the server was about.
 */

import type { Link } from "./link.ts";
import type { IncomingMessage } from "./message.ts";

/** `purpose` is empty when the address had none. */
export type InboxListener = (message: IncomingMessage, purpose: string) => void;

export class Inbox {
  readonly #prefix: string;
  readonly #listeners = new Map<string, InboxListener>();

  /** `prefix` must be unique: whoever subscribes to it reads the answers. */
  constructor(link: Link, prefix: string) {
    this.#prefix = prefix;
    link.subscribe(`${prefix}.>`, (message) => this.#deliver(message));
  }

  address(id: string, purpose?: string): string {
    const base = `${this.#prefix}.${id}`;
    return purpose === undefined ? base : `${base}.${purpose}`;
  }

  /** Delivers what comes for `id` until the returned function is called. */
  open(id: string, listener: InboxListener): () => void {
    this.#listeners.set(id, listener);
    return () => this.#listeners.delete(id);
  }

  #deliver(message: IncomingMessage): void {
    const { subject } = message;
    const begin = this.#prefix.length + 1;
    const dot = subject.indexOf(".", begin);
    const id = dot === -1 ? subject.slice(begin) : subject.slice(begin, dot);
    this.#listeners.get(id)?.(message, dot === -1 ? "" : subject.slice(dot + 1));
  }
}
