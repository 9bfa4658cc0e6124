/** Publishes an instance's heartbeats until it stops. */

import type { InstanceRecord } from "../messages/mod.ts";
import type { Departure } from "./instance_directory.ts";
import type { Link } from "./link.ts";
import { encodePayload } from "./payload.ts";

export class Announcement {
  readonly #link: Link;
  readonly #subject: string;
  readonly #record: () => InstanceRecord;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #removeListener: () => void;
  #isStopped = false;

  constructor(link: Link, subject: string, record: () => InstanceRecord, heartbeatMs: number) {
    this.#link = link;
    this.#subject = subject;
    this.#record = record;
    this.publishNow();
    this.#timer = setInterval(() => this.publishNow(), heartbeatMs);
    this.#removeListener = link.onReconnect(() => this.publishNow());
  }

  publishNow(): void {
    if (this.#isStopped) return;
    this.#link.publish(this.#subject, {
      kind: "heartbeat",
      data: encodePayload(this.#record()),
    });
  }

  /** Publishes the departure; further calls do nothing. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#removeListener();
    const departure: Departure = { instanceId: this.#record().instanceId, hasLeft: true };
    this.#link.publish(this.#subject, { kind: "departure", data: encodePayload(departure) });
  }
}
