/**
 * The models that can be asked for, from the workers' heartbeats.
 *
 * A card is fetched once a digest, from any worker that announces it. Where a name has several
 * digests (a roll-out of new weights), requests go to the one that most decode workers serve among those
 * that any serves and whose card is here: KV blocks and tokens are only compatible within a digest.
 */

import type { Bus, InstanceDirectory } from "../../shared/bus/bus.ts";
import { epochMs } from "../../shared/clock/epoch_clock.ts";
import type { InstanceRecord } from "../../shared/messages/mod.ts";
import { ApiError } from "../../shared/openai/mod.ts";
import type { Logger, Telemetry } from "../../shared/telemetry/telemetry.ts";
import { fetchModelCard } from "./card_fetch.ts";
import { buildServedModel, type ServedModel } from "./served_model.ts";

/** Time between two tries to fetch one card. */
const RETRY_MS = 2_000;

export interface ListedModel {
  readonly model: ServedModel;
  /** Start of the decode worker that has served it longest. */
  readonly servedSinceMs: number;
}

interface CardEntry {
  readonly name: string;
  readonly loaded: Promise<ServedModel | null>;
  model: ServedModel | null;
  tries: number;
  retryAtMs: number;
}

export interface ModelCatalogueOptions {
  readonly cardTimeoutMs: number;
  readonly telemetry: Telemetry;
  /** Told the names that can be asked for, whenever they may have changed. */
  readonly onNames: (names: readonly string[]) => void;
}

export class ModelCatalogue implements Disposable {
  readonly #bus: Bus;
  readonly #directory: InstanceDirectory;
  readonly #options: ModelCatalogueOptions;
  readonly #log: Logger;
  /** By card digest. */
  readonly #entries = new Map<string, CardEntry>();
  readonly #stop: () => void;

  constructor(bus: Bus, directory: InstanceDirectory, options: ModelCatalogueOptions) {
    this.#bus = bus;
    this.#directory = directory;
    this.#options = options;
    this.#log = options.telemetry.logger("models");
    this.#stop = directory.onChange((instances) => this.#refresh(instances));
    this.#refresh(directory.list());
  }

  /**
   * The model of a name, waiting for its card where that is on its way. Throws an ApiError:
   * `model_not_found`, or `no_workers` when no decode worker serves it now.
   */
  async resolve(name: string): Promise<ServedModel> {
    const digest = this.#digestOf(name);
    if (digest === null) throw this.#missing(name);
    const entry = this.#entries.get(digest);
    const model = entry?.model ?? await entry?.loaded;
    if (!model) {
      throw new ApiError(
        "no_workers",
        `Cannot serve model ${name} yet: its card could not be fetched from a worker`,
      );
    }
    return model;
  }

  /** One of `list`. Throws as `resolve` does, and `no_workers` where no decode worker takes requests. */
  async find(name: string): Promise<ListedModel> {
    await this.resolve(name);
    const found = this.list().find(({ model }) => model.card.name === name);
    if (found !== undefined) return found;
    throw new ApiError(
      "no_workers",
      `Cannot serve model ${name}: no decode worker takes requests`,
    );
  }

  /** Whether a worker has served a model of this name. */
  knows(name: string): boolean {
    return [...this.#entries.values()].some((entry) => entry.name === name && entry.model !== null);
  }

  /** Models that a request can be served with now, by name. */
  list(): readonly ListedModel[] {
    const instances = this.#decodeInstances().filter(({ state }) => state === "ready");
    const names = new Set(instances.map((instance) => instance.model.name));
    return [...names].sort().flatMap((name) => {
      const digest = this.#digestOf(name);
      const model = digest === null ? null : this.#entries.get(digest)?.model;
      if (!model) return [];
      const starts = instances.filter((each) => each.model.cardDigest === digest)
        .map((each) => each.startedAtMs);
      return [{ model, servedSinceMs: Math.min(...starts) }];
    });
  }

  /** Tokens of prompt and answer that every decode worker of the model can hold. */
  contextLimit({ card, cardDigest }: ServedModel): number {
    const limits = this.#decodeInstances()
      .filter((instance) => instance.model.cardDigest === cardDigest)
      .map(({ model, load }) =>
        Math.min(model.contextLength, load.totalBlocks * model.blockTokens)
      );
    return Math.min(card.contextLength, ...limits);
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #decodeInstances(): readonly InstanceRecord[] {
    return this.#directory.list("decode");
  }

  #digestOf(name: string): string | null {
    const counts = new Map<string, number>();
    for (const { model, state } of this.#decodeInstances()) {
      if (model.name !== name) continue;
      const count = counts.get(model.cardDigest) ?? 0;
      counts.set(model.cardDigest, state === "ready" ? count + 1 : count);
    }
    const rank = (digest: string, count: number) =>
      count > 0 && this.#entries.get(digest)?.model ? count + Number.MAX_SAFE_INTEGER / 2 : count;
    const ranked = [...counts].sort((a, b) => rank(...b) - rank(...a) || (a[0] < b[0] ? -1 : 1));
    return ranked[0]?.[0] ?? null;
  }

  /** That a model does not exist is only said where nothing speaks for a worker that is not heard of. */
  #missing(name: string): ApiError {
    const refusal = (reason: string) =>
      new ApiError("no_workers", `Cannot serve model ${name}: ${reason}`);
    const isKnown = [...this.#entries.values()].some((entry) => entry.name === name);
    if (!this.#bus.isConnected) return refusal("this frontend has no connection to NATS");
    if (isKnown) return refusal("no decode worker is up");
    if (this.#decodeInstances().length === 0) return refusal("no decode worker of any model is up");
    const message = `The model ${name} does not exist: /v1/models lists those that do`;
    return new ApiError("model_not_found", message, { param: "model" });
  }

  #refresh(instances: readonly InstanceRecord[]): void {
    const now = epochMs();
    for (const instance of instances) {
      const entry = this.#entries.get(instance.model.cardDigest);
      const isDue = entry === undefined || (entry.model === null && now >= entry.retryAtMs);
      if (isDue) this.#fetch(instances, instance.model.cardDigest, entry?.tries ?? 0);
    }
    this.#forgetReplaced(instances);
    this.#publishNames();
  }

  #publishNames(): void {
    this.#options.onNames(this.list().map(({ model }) => model.card.name));
  }

  #fetch(instances: readonly InstanceRecord[], digest: string, tries: number): void {
    const holders = instances.filter((instance) => instance.model.cardDigest === digest);
    const instance = holders[tries % holders.length];
    if (instance === undefined) return;
    const entry: CardEntry = {
      name: instance.model.name,
      loaded: this.#load(instance),
      model: null,
      tries: tries + 1,
      retryAtMs: Infinity,
    };
    this.#entries.set(digest, entry);
    entry.loaded.then((model) => {
      entry.model = model;
      entry.retryAtMs = epochMs() + RETRY_MS;
      this.#publishNames();
    });
  }

  async #load(instance: InstanceRecord): Promise<ServedModel | null> {
    const { model, instanceId } = instance;
    const span = this.#options.telemetry.rootSpan("card_fetch", {
      attributes: {
        worker_id: instanceId,
        "model.name": model.name,
        "card.digest": model.cardDigest,
      },
    });
    try {
      const timeoutMs = this.#options.cardTimeoutMs;
      const card = await fetchModelCard(this.#bus, instance, {
        timeoutMs,
        headers: span.headers(),
      });
      const served = buildServedModel(card, model.cardDigest);
      this.#log.info("model added", { model: model.name, card_digest: model.cardDigest });
      return served;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      span.fail("card_not_fetched", reason);
      this.#log.warn("model card not fetched", {
        model: model.name,
        worker_id: instanceId,
        error: reason,
      });
      return null;
    } finally {
      span.end();
    }
  }

  /**
   * A card that nobody announces is kept while its name has no other: the name is still known. One that
   * was never fetched is not: any peer can announce what does not exist.
   */
  #forgetReplaced(instances: readonly InstanceRecord[]): void {
    for (const [digest, { name, model }] of this.#entries) {
      if (instances.some((instance) => instance.model.cardDigest === digest)) continue;
      const isReplaced = [...this.#entries].some(([other, entry]) =>
        other !== digest && entry.name === name && entry.model !== null
      );
      if (isReplaced || model === null) this.#entries.delete(digest);
    }
  }
}
