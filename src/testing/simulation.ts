/**
 * A simulation: one log, processes that come and go, and virtual time. The engine in them is the real one.
 *
 * I1 Everything is decided by the seed: the same seed gives the same trace.
 */
import type { Workflow } from "../ctx/workflow.ts";
import type { Engine, WorkerHandle } from "../engine/api.ts";
import { createEngineOf, type EngineParts } from "../engine/engine.ts";
import type { MessagesOptions } from "../engine/messages.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Outbound } from "../kernel/ports.ts";
import type { Queues } from "../kernel/queues.ts";
import type { ResumeOptions } from "../kernel/resume.ts";
import type { CallKind } from "../kernel/state.ts";
import { memoryStore } from "../log/memory.ts";
import type { LogStore } from "../log/port.ts";
import type { ScheduleDefinition } from "../scheduler/definition.ts";
import type { ScheduleTimes } from "../scheduler/spec.ts";
import type { Hook } from "../triggers/hook.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import type { Asked } from "../worker/host.ts";
import type { WorkerOptions } from "../worker/options.ts";
import { Agenda, type Choose } from "./agenda.ts";
import { Checker } from "./checker.ts";
import { type Fault, type FaultRates, Faults } from "./faults.ts";
import { Prng } from "./prng.ts";
import { SimulatedProcess } from "./process.ts";
import { type Effect, simulatedStore } from "./store.ts";
import { Trace } from "./trace.ts";

export interface SimulationOptions {
  readonly seed: string;
  /** What may go wrong on the way to the log. @default nothing */
  readonly faults?: FaultRates;
  /** Ids of faults that do not happen all the same. */
  readonly without?: ReadonlySet<string>;
  /** The only faults that happen. */
  readonly only?: readonly Fault[];
  /** Whether the log is a file that one process owns. @default false */
  readonly exclusive?: boolean;
  /** The longest way of a call to the log, milliseconds. @default 3 */
  readonly latencyMsMax?: number;
  /** The log itself, on the simulation's clock. Its calls must settle within microtasks. @default in memory */
  readonly store?: (clock: { now(): number }) => LogStore;
  /** Decides what runs next, in place of time and the seed. */
  readonly choose?: Choose;
  /** When it begins, milliseconds since the epoch. @default 2026-01-01 */
  readonly startsAt?: number;
  /** Timers are never late, and what is due at one instant happens in the order of its planning. @default false */
  readonly isExact?: boolean;
  /** The most tasks; a simulation that takes more throws. @default without bound */
  readonly tasksMax?: number;
  /** Keeps the lines of the trace, not their hash alone. @default false */
  readonly keepTrace?: boolean;
  /** Has the last word on a fault on the way to the log. */
  readonly mayHappen?: (fault: Fault) => boolean;
  /** A call had its effect on the log. */
  readonly happened?: (effect: Effect) => void;
  /** A process is up. */
  readonly up?: (engine: Engine) => void;
  /** A process is dead. `error`: what it exited with; null: it was killed. */
  readonly died?: (proc: SimulatedProcess, error: unknown) => void;
}

/** What an engine of a process is made of. */
export interface BootOptions {
  /** Made for each process, so that they can know in which one they run. */
  readonly workflows: (proc: SimulatedProcess) => readonly Workflow<never, unknown, never, never>[];
  readonly hooks?: (proc: SimulatedProcess) => readonly Hook[];
  readonly schedules?: readonly ScheduleDefinition[];
  /** What computes timetables. @default what the first of `schedules` brings along */
  readonly times?: ScheduleTimes;
  /** Endpoints that it tells of events, and how it reaches them. */
  readonly outgoing?: (
    proc: SimulatedProcess,
  ) => Required<Pick<EngineParts, "notify">> & { readonly outbound: Outbound };
  /** Finds the secrets that hooks name. */
  readonly secrets?: SecretResolver;
  readonly env?: (proc: SimulatedProcess) => unknown;
  /** Is told each call that code makes. */
  readonly asked?: Asked;
  readonly limits?: Partial<Limits>;
  readonly queues?: Queues;
  readonly messages?: MessagesOptions;
  /** `false`: it only starts runs and asks. */
  readonly worker?: WorkerOptions | false;
  /** How far its wall clock is off, milliseconds. @default 0 */
  readonly skewMs?: number;
  /** How long each of its macrotasks takes, milliseconds. @default 0 */
  readonly slowMs?: number;
  /** How fast its clock runs that only goes forward, and its timers with it. @default 1 */
  readonly clockRate?: number;
}

/** A process with its engine. */
export interface Incarnation {
  readonly proc: SimulatedProcess;
  /** Null until it is up. */
  engine: Engine | null;
  /** Null if it has none, and until it is up. */
  worker: WorkerHandle | null;
}

/** What changes the log otherwise than by whose turn it is. */
const WRITES: ReadonlySet<string> = new Set([
  "append",
  "putKeyed",
  "requestLock",
  "decideDelivery",
  "changeSchedule",
  "publishMessage",
  "dispatchMessage",
  "fireGathering",
  "requestWait",
  "openWait",
  "giveMessage",
  "expireWait",
  "planNotices",
  "settleNotices",
]);

/** A write as the trace has it: without stacks, which each runtime and each bundle writes in its own way. */
function writeText(write: object): string {
  const text = JSON.stringify(write);
  if (!text.includes("stack")) return text;
  return JSON.stringify(write, (_, value) => (typeof value === "string" ? value.replace(STACKS, "") : value));
}

/** In an event's data, which is JSON text. */
const STACKS = /,?"stack":"(?:[^"\\]|\\.)*"/g;

/** Nobody opens these addresses; workflows may make them. */
const RESUME: ResumeOptions = { baseUrl: "https://simulated.test", secret: "of a simulation, where nothing is secret" };

/** 2026-01-01, when a simulation begins that is not told when. */
export const STARTS_AT = Date.UTC(2026, 0, 1);

/** A platform's timer comes late by up to so much. */
const TIMER_LATE_MS_MAX = 2;

/** What is planned first happens first. */
const IN_ORDER = { float: () => 0 };

export class Simulation {
  readonly prng: Prng;
  readonly agenda: Agenda;
  readonly faults: Faults;
  readonly truth: LogStore;
  readonly checker: Checker;
  readonly trace: Trace;
  readonly incarnations: Incarnation[] = [];
  readonly #options: SimulationOptions;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.prng = new Prng(options.seed);
    const { startsAt = STARTS_AT, isExact = false, choose } = options;
    this.agenda = new Agenda(startsAt, isExact ? IN_ORDER : this.prng.stream("ties"), choose);
    const { seed, faults: rates = {}, without, only, mayHappen } = options;
    this.faults = new Faults({
      seed,
      rates,
      ...(without === undefined ? {} : { without }),
      ...(only === undefined ? {} : { only }),
      ...(mayHappen === undefined ? {} : { mayHappen }),
    });
    const clock = { now: () => this.agenda.now };
    this.truth = (options.store ?? memoryStore)(clock);
    this.trace = new Trace(options.keepTrace === true);
    this.checker = new Checker(this.truth, clock);
  }

  /** Processes that live. */
  get alive(): Incarnation[] {
    return this.incarnations.filter(({ proc }) => !proc.isDead);
  }

  /** Starts a process with an engine in it. It is up some time later. */
  boot(setup: BootOptions): Incarnation {
    const name = `p${this.incarnations.length + 1}`;
    const { skewMs = 0, slowMs = 0, clockRate = 1 } = setup;
    const lateMsMax = this.#options.isExact === true ? 0 : TIMER_LATE_MS_MAX;
    const options = { name, skewMs, slowMs, clockRate, lateMsMax };
    const proc = new SimulatedProcess(this.agenda, this.prng.stream(name), options);
    const incarnation: Incarnation = { proc, engine: null, worker: null };
    this.incarnations.push(incarnation);
    this.trace.add(this.agenda.now, `${name} boots`);
    proc.after(0, () => void this.#start(incarnation, setup));
    return incarnation;
  }

  async #start(incarnation: Incarnation, setup: BootOptions): Promise<void> {
    const { proc } = incarnation;
    const { workflows, hooks, secrets, schedules, times, outgoing, env, limits, queues, messages, worker, asked } =
      setup;
    const { exclusive = false, latencyMsMax = 3 } = this.#options;
    const store = simulatedStore(proc, {
      agenda: this.agenda,
      faults: this.faults,
      truth: this.truth,
      prng: this.prng,
      latencyMsMax,
      exclusive,
      happened: (effect) => this.#happened(effect),
      crash: (each) => this.crash(each),
      writes: () => this.checker.writes(proc),
    });
    try {
      if (exclusive) await this.#takeOver(proc);
      const engine = await createEngineOf({
        sweeps: false,
        store,
        ports: proc.ports,
        workflows: workflows(proc),
        ...(hooks === undefined ? {} : { hooks: hooks(proc) }),
        ...(schedules === undefined ? {} : { schedules }),
        ...(times === undefined ? {} : { times }),
        ...outgoing?.(proc),
        ...(secrets === undefined ? {} : { secrets }),
        ...(env === undefined ? {} : { env: env(proc) }),
        ...(limits === undefined ? {} : { limits }),
        ...(queues === undefined ? {} : { queues }),
        ...(messages === undefined ? {} : { messages }),
        resume: RESUME,
        asked: (runId: string, key: string, kind: CallKind, isNew: boolean) => {
          this.checker.asked(proc, runId, key);
          asked?.(runId, key, kind, isNew);
        },
      });
      if (worker !== false) incarnation.worker = await engine.work({ ...worker, label: proc.name });
      incarnation.engine = engine;
      if (!proc.isDead) this.#options.up?.(engine);
    } catch (error) {
      // As a process that cannot reach its database exits: whoever watches over it starts another.
      this.trace.add(this.agenda.now, `${proc.name} exits: ${String(error)}`);
      proc.crash();
      this.#options.died?.(proc, error);
    }
  }

  /** Whoever opens a file as its owner knows that every other worker is dead. */
  async #takeOver(proc: SimulatedProcess): Promise<void> {
    for (const { id } of await this.truth.listWorkers()) {
      const result = await this.truth.closeWorker(id);
      this.#happened({ proc, site: "closeWorker", args: [id], result });
    }
  }

  crash(proc: SimulatedProcess): void {
    if (proc.isDead) return;
    this.trace.add(this.agenda.now, `${proc.name} dies`);
    proc.crash();
    this.checker.died(proc);
    this.#options.died?.(proc, null);
  }

  #happened(effect: Effect): void {
    const { proc, site, args } = effect;
    this.trace.add(this.agenda.now, `${proc.name} ${site} ${WRITES.has(site) ? writeText(args[0] as object) : ""}`);
    this.checker.happened(effect);
    this.#options.happened?.(effect);
  }

  /** Runs until `isOver`, or for `ms` at most. Returns whether `isOver` became true. */
  async run(ms: number, isOver: () => boolean = () => false): Promise<boolean> {
    const { tasksMax = Number.POSITIVE_INFINITY } = this.#options;
    const isTooLong = () => this.agenda.count > tasksMax;
    const wasOver = await this.agenda.run(
      () => this.checker.hasFailed || isTooLong() || isOver(),
      this.agenda.now + ms,
    );
    if (isTooLong() && !this.checker.hasFailed)
      throw new RangeError(`the simulation takes more than ${tasksMax} tasks`);
    return wasOver;
  }
}
