/** The services of one machine: started in stages, stopped in the opposite order. */

import {
  type ServiceSpec,
  SupervisedService,
  type SupervisionOptions,
} from "./supervised_service.ts";

export interface StopOptions {
  /** Time between SIGTERM and SIGKILL, for each stage. */
  readonly graceMs: number;
  /** Aborting kills what is left at once. */
  readonly hurry?: AbortSignal;
}

export class ServiceGroup {
  readonly #options: SupervisionOptions;
  readonly #stages: SupervisedService[][] = [];
  #isStopping = false;

  constructor(options: SupervisionOptions) {
    this.#options = options;
  }

  /**
   * Starts the services of a stage together; resolves when all are ready.
   * Rejects with the ServiceError of the first one that gives up.
   */
  async startStage(specs: readonly ServiceSpec[]): Promise<void> {
    if (this.#isStopping) return;
    const stage = specs.map((spec) => new SupervisedService(spec, this.#options));
    this.#stages.push(stage);
    await Promise.all(stage.map((service) => service.ready));
  }

  /** Ends everything, the last stage first: a frontend drains while its workers still serve it. */
  async stop(options: StopOptions): Promise<void> {
    this.#isStopping = true;
    for (const stage of this.#stages.toReversed()) {
      await Promise.all(stage.map((service) => service.stop(options.graceMs, options.hurry)));
    }
  }
}
