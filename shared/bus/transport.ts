/** What the protocols of calls and transfers stand on. */

import type { Inbox } from "./inbox.ts";
import type { Link } from "./link.ts";
import type { TickSource } from "./ticker.ts";

export interface Transport {
  readonly link: Link;
  readonly inbox: Inbox;
  readonly ticker: TickSource;
}

/** Work that ends with the bus. */
export interface Closable {
  close(): void;
}

/** The longest time that a timer keeps; a longer one would fire at once. */
export const MAX_TIMER_MS = 0x7fffffff;
