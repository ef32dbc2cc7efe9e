/** A process of a simulation: what an engine takes from its surroundings, and what can happen to it. */
import type { LogLevel, Ports } from "../kernel/ports.ts";
import type { Agenda, TaskBody } from "./agenda.ts";
import type { Prng } from "./prng.ts";

export interface LoggedLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface ProcessOptions {
  readonly name: string;
  /** How far its wall clock is from the true time, milliseconds. */
  readonly skewMs: number;
  /** How long each of its macrotasks takes, milliseconds of virtual time. */
  readonly slowMs: number;
  /** How fast its clock runs that only goes forward. */
  readonly clockRate: number;
  /** A timer comes late by up to so much, as those of a platform do, milliseconds. */
  readonly lateMsMax: number;
}

/**
 * I1 What a dead process had planned does not happen. What it has sent is on its way all the same.
 * I2 A paused process does nothing; what would have happened in it happens when it wakes, in any order: a platform's timers
 *    and answers do not wait for each other.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly ports: Ports;
  readonly lines: LoggedLine[] = [];
  readonly #agenda: Agenda;
  readonly #slowMs: number;
  #isDead = false;
  #pausedUntil = 0;

  constructor(agenda: Agenda, prng: Prng, { name, skewMs, slowMs, clockRate, lateMsMax }: ProcessOptions) {
    this.name = name;
    this.#agenda = agenda;
    this.#slowMs = slowMs;
    const bornAt = agenda.now;
    const late = prng.stream("timers");
    this.ports = {
      clock: {
        now: () => agenda.now + skewMs,
        monotonic: () => (agenda.now - bornAt) * clockRate,
        timer: (ms, fn) => {
          let isCancelled = false;
          const dueMs = ms / clockRate + late.float() * lateMsMax;
          this.#plan(
            dueMs,
            () => (isCancelled ? false : fn()),
            () => isCancelled,
          );
          return () => {
            isCancelled = true;
          };
        },
      },
      drain: (fn) => this.after(0, fn),
      random: prng.stream("engine"),
      logger: {
        log: (level, message, fields) => {
          if (!this.#isDead) this.lines.push({ level, message, fields });
        },
      },
    };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isPaused(): boolean {
    return this.#agenda.now < this.#pausedUntil;
  }

  /** Dies at once, as by SIGKILL. */
  crash(): void {
    this.#isDead = true;
  }

  /** Stands still for `ms`, as by SIGSTOP and SIGCONT. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#agenda.now + ms);
  }

  /** Runs `fn` in this process after `ms`, if it lives then. */
  after(ms: number, fn: TaskBody): void {
    this.#plan(ms, fn, () => false);
  }

  #plan(ms: number, fn: TaskBody, isVoid: () => boolean): void {
    this.#agenda.after(
      ms + this.#slowMs,
      () => this.#run(fn),
      this.name,
      () => this.#isDead || isVoid(),
    );
  }

  #run(fn: TaskBody): unknown {
    if (this.#isDead) return false;
    if (this.isPaused) {
      this.#agenda.after(this.#pausedUntil - this.#agenda.now, () => this.#run(fn), this.name);
      return false;
    }
    this.#agenda.actor = this;
    return fn();
  }
}
