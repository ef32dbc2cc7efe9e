/**
 * The nights of a simulation: while nothing is due for long its processes are stopped, as they would look at the log once a
 * second.
 *
 * Owns: whether it is night. Called by the life.
 */
import type { Simulation } from "./simulation.ts";

export interface NightsHost {
  readonly isOver: () => boolean;
  /** Every process is about to be stopped. */
  readonly falls: (why: string) => void;
  /** Processes are wanted again. */
  readonly ends: () => void;
}

/** While nothing is due for longer than this it is night. */
const DAY_MS_MAX = 60_000;

/** It is day again so long before something is due, at most. */
const EARLY_MS_MAX = 20_000;

export class Nights {
  readonly #simulation: Simulation;
  readonly #host: NightsHost;
  #isNight = false;

  constructor(simulation: Simulation, host: NightsHost) {
    this.#simulation = simulation;
    this.#host = host;
  }

  get isNight(): boolean {
    return this.#isNight;
  }

  /** Whether there is a night before an instant. */
  isBefore(instant: number): boolean {
    return instant < Number.POSITIVE_INFINITY && instant - this.#simulation.agenda.now > DAY_MS_MAX;
  }

  /** It is night until shortly before `until`. `why`: what it is that lasts so long. */
  fall(until: number, why: string): void {
    const { agenda, prng, alive } = this.#simulation;
    const early = prng.stream(`doze/${until}`).float() * EARLY_MS_MAX;
    const ms = until - early - agenda.now;
    if (ms <= 0 || this.#isNight || this.#host.isOver()) return;
    this.#isNight = true;
    this.#host.falls(why);
    for (const { proc } of alive) this.#simulation.crash(proc);
    agenda.after(ms, () => {
      this.#isNight = false;
      this.#host.ends();
    });
  }

  /** The only run sleeps until `until`: it is night if it still does. */
  async fallWith(runId: string, until: number): Promise<void> {
    const row = await this.#simulation.truth.getRun(runId);
    if (row?.status === "waiting" && row.owner === null && row.availableAt === until)
      this.fall(until, "the run sleeps");
  }
}
