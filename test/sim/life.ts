/**
 * One run and those that it starts, from its start to the end of all of them, in processes that follow each other: as soon as
 * one is dead, the next one takes up its work. Its caller insists until it is told that its start is durable, and so does
 * whoever does something to it.
 */
import type { Engine } from "../../src/engine/api.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { Fault } from "../../src/testing/faults.ts";
import { type Incarnation, Simulation } from "../../src/testing/simulation.ts";
import { expectShieldsHeld } from "./afterwards.ts";
import { acknowledge, doTo, type TimedDeed } from "./deeds.ts";
import { type Family, familyOf } from "./family.ts";
import type { Subject } from "./subject.ts";

export interface LifeOptions {
  /** The faults that happen. @default none */
  readonly only?: readonly Fault[];
  /** Whether the log is a file that each process owns in turn, or is shared. */
  readonly exclusive: boolean;
  /** How long it is watched after its end, milliseconds: late requests come in. @default 100 */
  readonly afterwardsMs?: number;
  /** Whether the calls of each second are counted. @default false */
  readonly countsCalls?: boolean;
}

export interface Life {
  readonly failures: readonly Failure[];
  /** The histories of all its runs. */
  readonly family: Family;
  readonly looks: Simulation["checker"]["looks"];
  /** The faults that happened. */
  readonly happened: readonly Fault[];
  /** How often each site was called, by all processes together. */
  readonly calls: ReadonlyMap<string, number>;
  readonly processes: number;
}

/** It must have ended by then. */
const LIFE_MS_MAX = 3_600_000;

/** More processes than faults can kill. */
const PROCESSES_MAX = 8;

/** A caller that was refused asks again after so long. */
const AGAIN_MS = 1_000;

/** Whether a process is up is looked at so often. */
const LOOK_MS = 5;

/** The most calls of a store in one second of a run of a few steps. */
const CALLS_A_SECOND_MAX = 100;

export async function live(subject: Subject, options: LifeOptions): Promise<Life> {
  const close = subject.open();
  try {
    const succession = new Succession(subject, options);
    await succession.run();
    return succession.life();
  } finally {
    close();
  }
}

class Succession {
  readonly #subject: Subject;
  readonly #options: LifeOptions;
  readonly #sim: Simulation;
  /** What callers still want: asked of each process in turn. */
  readonly #wishes = new Set<() => void>();
  #current: Incarnation;
  #deedsAhead: number;
  /** What the log did since nothing goes wrong any more, and so calls are counted nowhere else. */
  #callsAfterwards = 0;
  #isAfterwards = false;

  constructor(subject: Subject, options: LifeOptions) {
    const { only = [], exclusive } = options;
    this.#subject = subject;
    this.#options = options;
    this.#deedsAhead = subject.deeds.length;
    const store = (clock: { now(): number }) => this.#counted(memoryStore(clock));
    this.#sim = new Simulation({ seed: subject.name, only, exclusive, store });
    this.#current = this.#boot();
  }

  async run(): Promise<void> {
    const { checker } = this.#sim;
    if (this.#options.countsCalls === true) this.#countCalls(0);
    this.#start();
    for (;;) {
      await this.#sim.run(LIFE_MS_MAX, () => this.#isDead || this.#isOver);
      if (this.#isOver) this.#stopFaults();
      // A process can die of the answer to its last call.
      if (!this.#isDead && this.#isOver) await this.#sim.run(this.#options.afterwardsMs ?? 100, () => this.#isDead);
      if (!this.#isDead || checker.hasFailed) break;
      const { length } = this.#sim.incarnations;
      checker.expect("liveness", length < PROCESSES_MAX, () => `${length} processes have died`);
      this.#current = this.#boot();
      for (const ask of this.#wishes) ask();
    }
    await checker.finish();
    for (const runId of checker.runIds) expectShieldsHeld(checker, runId);
    const end = this.#end;
    const isExpected = end !== undefined && this.#subject.isExpected(end);
    checker.expect("result-as-expected", isExpected, () => `the run ended by ${end?.type} ${end?.data}`);
  }

  #boot(): Incarnation {
    const worker = { leaseMs: 2_000 };
    return this.#sim.boot({
      workflows: (proc) => {
        const { workflow, others = [] } = this.#subject.code(this.#sim, proc);
        return [workflow, ...others];
      },
      env: (proc) => this.#subject.code(this.#sim, proc).env,
      queues: this.#subject.queues ?? {},
      worker,
    });
  }

  get #isDead(): boolean {
    return this.#current.proc.isDead;
  }

  get #isOver(): boolean {
    const { checker } = this.#sim;
    if (this.#wishes.size > 0 || this.#deedsAhead > 0) return false;
    return checker.runIds.length > 0 && checker.runIds.every((runId) => checker.isOver(runId));
  }

  get #end(): EventRow | undefined {
    const [runId] = this.#sim.checker.runIds;
    return runId === undefined ? undefined : this.#sim.checker.endOf(runId);
  }

  #start(): void {
    const { workflow, input, startOptions, deeds } = this.#subject;
    this.#insist(
      async (engine) => (await engine.start(workflow, input, { ...startOptions, idempotencyKey: "the-run" })).id,
      (runId) => {
        this.#sim.checker.startAcknowledged(runId);
        for (const deed of deeds) this.#sim.agenda.after(deed.afterMs, () => this.#do(runId, deed));
      },
    );
  }

  #do(runId: string, deed: TimedDeed): void {
    this.#deedsAhead--;
    this.#insist(
      async (engine) => (deed.do === "retry" && this.#isRetried(runId)) || (await doTo(engine.run(runId), deed)),
      (isDone) => {
        if (isDone) acknowledge(this.#sim.checker, runId, deed);
      },
    );
  }

  /** An answer that was lost: a run that is under way again cannot be retried. */
  #isRetried(runId: string): boolean {
    return this.#sim.checker.history(runId).some(({ type }) => type === "run.reopened");
  }

  /** Asks process after process until one answers. */
  #insist<T>(call: (engine: Engine) => Promise<T>, done: (value: T) => void): void {
    const { agenda } = this.#sim;
    const ask = () => {
      const { proc, engine } = this.#current;
      if (proc.isDead) return;
      if (engine === null) {
        agenda.after(LOOK_MS, ask);
        return;
      }
      call(engine).then(
        (value) => {
          if (proc.isDead) return;
          this.#wishes.delete(ask);
          done(value);
        },
        () => {
          if (!proc.isDead) agenda.after(AGAIN_MS, ask);
        },
      );
    };
    this.#wishes.add(ask);
    ask();
  }

  #stopFaults(): void {
    this.#isAfterwards = true;
    this.#sim.faults.stop();
  }

  #counted(store: LogStore): LogStore {
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (this.#isAfterwards) this.#callsAfterwards++;
          return value.apply(target, args);
        };
      },
    });
  }

  /** Looks each second how many calls it had. */
  #countCalls(before: number): void {
    const { agenda, checker, faults } = this.#sim;
    agenda.after(1_000, () => {
      const count = [...faults.calls.values()].reduce((sum, each) => sum + each, this.#callsAfterwards);
      checker.expect("no-hot-loop", count - before <= CALLS_A_SECOND_MAX, () => `${count - before} calls in a second`);
      this.#countCalls(count);
    });
  }

  life(): Life {
    const { checker, faults, incarnations } = this.#sim;
    return {
      failures: checker.failures,
      family: familyOf(checker.runIds.map((runId) => checker.history(runId))),
      looks: checker.looks,
      happened: faults.happened,
      calls: faults.calls,
      processes: incarnations.length,
    };
  }
}

export function failureText({ predicate, what }: Failure): string {
  return `${predicate}: ${what}`;
}
