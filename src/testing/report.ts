/** What a simulation that passed has seen: whether it looked where somebody meant it to. */
import type { LifeReport } from "./life.ts";
import type { MessageCounts } from "./message-book.ts";
import type { InstantCounts } from "./schedule-book.ts";
import type { SimulatedRun } from "./simulate-options.ts";
import { Trace } from "./trace.ts";
import { ALL_TROUBLES, type SimulatedFault } from "./trouble.ts";

export interface SimulationReport {
  readonly workflow: string;
  readonly seeds: { readonly from: number; readonly count: number };
  readonly workers: number;
  /** How the runs ended, whoever started them. */
  readonly runs: Readonly<Record<SimulatedRun["status"], number>>;
  /** How often each fault happened. One that never did has shown nothing. */
  readonly faults: Readonly<Record<SimulatedFault, number>>;
  /** Processes that were killed. */
  readonly crashes: number;
  /** Attempts of all steps. */
  readonly attempts: number;
  /** By the step's key: its attempts, and those of which nobody knew afterwards how far they had come. */
  readonly steps: Readonly<Record<string, { readonly attempts: number; readonly interrupted: number }>>;
  /** By the schedule's id: how many of its instants fired, and how many were skipped. */
  readonly schedules: Readonly<Record<string, InstantCounts>>;
  /** How many messages were published, and how often each was decided on in each way. Empty: none was. */
  readonly messages: MessageCounts;
  /** The time that passed in the simulations, milliseconds. */
  readonly virtualMs: number;
  /** How often each of Varve's own promises was looked at, of those that the runs had to do with. */
  readonly looks: Readonly<Record<string, number>>;
  /** Of all that happened: the same seeds of the same code give the same. */
  readonly fingerprint: string;
}

/** Adds lives up. */
export class Tally {
  readonly #runs = { completed: 0, failed: 0, cancelled: 0 };
  readonly #faults = Object.fromEntries(ALL_TROUBLES.map((fault) => [fault, 0])) as Record<SimulatedFault, number>;
  readonly #steps = new Map<string, { attempts: number; interrupted: number }>();
  readonly #schedules = new Map<string, InstantCounts>();
  readonly #messages = new Map<string, number>();
  readonly #looks = new Map<string, number>();
  readonly #trace = new Trace(false);
  #crashes = 0;
  #virtualMs = 0;

  add(life: LifeReport): void {
    const { choice, statuses, faults, steps, crashes, virtualMs, looks, hash } = life;
    for (const status of statuses) this.#runs[status]++;
    for (const { fault } of faults) this.#faults[fault]++;
    for (const [key, { attempts, interrupted }] of steps) {
      const step = this.#steps.get(key) ?? { attempts: 0, interrupted: 0 };
      this.#steps.set(key, {
        attempts: step.attempts + attempts,
        interrupted: step.interrupted + interrupted,
      });
    }
    for (const [id, { fired, skipped }] of life.schedules) {
      const count = this.#schedules.get(id) ?? { fired: 0, skipped: 0 };
      this.#schedules.set(id, { fired: count.fired + fired, skipped: count.skipped + skipped });
    }
    for (const [name, count] of Object.entries(life.messages)) addTo(this.#messages, name, count);
    for (const [name, count] of Object.entries(looks)) addTo(this.#looks, name, count);
    this.#crashes += crashes;
    this.#virtualMs += virtualMs;
    this.#trace.add(choice.seed, hash);
  }

  report(about: Pick<SimulationReport, "workflow" | "seeds" | "workers">): SimulationReport {
    return {
      ...about,
      runs: { ...this.#runs },
      faults: { ...this.#faults },
      crashes: this.#crashes,
      attempts: [...this.#steps.values()].reduce((sum, { attempts }) => sum + attempts, 0),
      steps: Object.fromEntries(this.#steps),
      schedules: Object.fromEntries(this.#schedules),
      messages: Object.fromEntries(this.#messages),
      virtualMs: Math.round(this.#virtualMs),
      looks: Object.fromEntries(this.#looks),
      fingerprint: this.#trace.hash,
    };
  }
}

function addTo(counts: Map<string, number>, name: string, count: number): void {
  if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
}
