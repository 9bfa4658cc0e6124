/** Publishes an instance's heartbeats until it stops: by the clock, and for whoever calls the roll. */

import { heartbeatSubject, type InstanceRecord, rollCallSubject } from "../messages/mod.ts";
import type { Departure } from "./instance_directory.ts";
import type { Link, LinkSubscription } from "./link.ts";
import { encodePayload } from "./payload.ts";

/**
 * Roll calls this soon after an answered one share the next answer: when a server is back, every process
 * of a fleet calls at once, and an answer to each would be heard by all of them.
 */
const ANSWER_GAP_MS = 50;

export interface AnnouncementOptions {
  readonly namespace: string;
  readonly record: () => InstanceRecord;
  readonly heartbeatMs: number;
}

export class Announcement {
  readonly #link: Link;
  readonly #subject: string;
  readonly #record: () => InstanceRecord;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #rollCalls: LinkSubscription;
  readonly #removeListener: () => void;
  #answerGap: ReturnType<typeof setTimeout> | undefined;
  #isAsked = false;
  #isStopped = false;

  constructor(link: Link, { namespace, record, heartbeatMs }: AnnouncementOptions) {
    this.#link = link;
    this.#subject = heartbeatSubject(namespace);
    this.#record = record;
    // First: who begins to listen between the two hears one of them.
    this.#rollCalls = link.subscribe(rollCallSubject(namespace), () => this.#answerRoll());
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
    clearTimeout(this.#answerGap);
    this.#rollCalls.stop();
    this.#removeListener();
    const departure: Departure = { instanceId: this.#record().instanceId, hasLeft: true };
    this.#link.publish(this.#subject, { kind: "departure", data: encodePayload(departure) });
  }

  #answerRoll(): void {
    this.#isAsked = this.#answerGap !== undefined;
    if (this.#isAsked) return;
    this.publishNow();
    this.#answerGap = setTimeout(() => {
      this.#answerGap = undefined;
      if (this.#isAsked) this.#answerRoll();
    }, ANSWER_GAP_MS);
  }
}
