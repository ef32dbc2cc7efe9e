/**
 * Every order of a small scope: two workers that are up, one run that both want, and each order in which what is due in them
 * and on their ways to the log can happen. Within a process it happens in the order of its time, as an event loop has it, and
 * calls of one worker arrive in the order in which they were sent, as on one connection; between workers any order is tried.
 * A worker may stand still whenever a call of its is on the way, there or back, and what it has sent stands still with it,
 * while the other one goes on and time passes for it. Time passes only when nothing else is left to do.
 *
 * The search goes depth first. A process cannot be copied, so each order is run from its beginning; it is given up where it
 * comes to a state that is known.
 *
 * I1 A state is: the log, its rows and the workers' leases; the instant; for each process, what has happened in it, in
 *    order, each with its instant and with what the log answered; what is pending, and when it is due; who stands still, and
 *    how often that may still happen. A process is determined by what has happened in it, and the rest by the log and by
 *    what is pending. So whatever follows from one state follows from an equal one, and no order is missed.
 * I2 States are compared as they are, by numbers that stand for texts, so no two are taken for one.
 * I3 What a task is follows from who added it: its parent, its place among the parent's tasks, and what the log answered to
 *    the parent. So a task is the same one in whatever order it came to be.
 * I4 Orders that differ only in when a worker does what touches no log are one. While none of its calls is on its way to the
 *    log, what is due in it and what the other worker does leave each other alone, and time does not pass; so it goes first.
 */
import { assert } from "../../src/kernel/assert.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { PendingTask } from "../../src/testing/agenda.ts";
import { type Incarnation, Simulation } from "../../src/testing/simulation.ts";
import { SITES, type Site } from "../../src/testing/store.ts";
import { failureText } from "./life.ts";
import type { Subject } from "./subject.ts";

export interface OrdersOptions {
  /** How often a worker may stand still. */
  readonly pauses: number;
  /**
   * Whether a pause may end between any two tasks of the other worker. Else it ends when that one has nothing to do at an
   * instant, or when the run is over.
   */
  readonly endsPausesAnywhere: boolean;
  /** The search gives up at so many states. */
  readonly statesMax: number;
  /** What the log is in place of itself, to see that the search finds what is wrong with it. @default itself */
  readonly log?: (store: LogStore) => LogStore;
}

export interface OrdersReport {
  /** Different states. */
  readonly states: number;
  /** Orders that were run to the end of the run, and those given up at a known state. */
  readonly ended: number;
  readonly known: number;
  /** Tasks that were run, those of repeated beginnings included. */
  readonly tasks: number;
  /** How many orders had so many claims of the run, by that number. */
  readonly claims: ReadonlyMap<number, number>;
  /** Whether no order was left out. */
  readonly isExhaustive: boolean;
  readonly failures: readonly string[];
}

/** A point at which there was a choice, and what was chosen. */
interface Fork {
  readonly options: number;
  taken: number;
}

const WORKERS = 2;

/** Short, so that few other instants lie before its end. */
const LEASE_MS = 24;

/** An order that takes longer than this goes nowhere. */
const ORDER_MS_MAX = 60_000;

export async function everyOrder(subject: Subject, options: OrdersOptions): Promise<OrdersReport> {
  const known = new Set<string>();
  const texts = new Texts();
  const claims = new Map<number, number>();
  const failures: string[] = [];
  const counts = { ended: 0, known: 0, tasks: 0 };
  const path: Fork[] = [];
  let isExhaustive = true;
  do {
    const order = new Order(subject, options, path, known, texts);
    await order.run();
    counts.tasks += order.tasks;
    if (order.isKnown) counts.known++;
    else {
      counts.ended++;
      claims.set(order.claims, (claims.get(order.claims) ?? 0) + 1);
    }
    failures.push(...order.failures.map((each) => `order ${path.map(({ taken }) => taken).join(" ")}: ${each}`));
    isExhaustive = known.size < options.statesMax && failures.length === 0;
  } while (isExhaustive && next(path));
  return { states: known.size, ...counts, claims, isExhaustive, failures };
}

/** Turns the path to the next one, depth first; false: there is none. */
function next(path: Fork[]): boolean {
  for (;;) {
    const last = path.at(-1);
    if (last === undefined) return false;
    if (++last.taken < last.options) return true;
    path.pop();
  }
}

/** A number for each text. */
class Texts {
  readonly #numbers = new Map<string, number>();

  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

/** A task as it is known in every order. */
interface Known {
  readonly id: number;
  readonly worker: number;
  /** Whether it brings what the log answered. */
  readonly isAnswer: boolean;
  readonly isOfLog: boolean;
  children: number;
}

/** What may be done at a fork. */
type Option =
  | { readonly kind: "run"; readonly task: PendingTask }
  | { readonly kind: "pause"; readonly worker: number }
  | { readonly kind: "pass-time" };

/** One order, from its beginning. */
class Order {
  readonly failures: string[] = [];
  isKnown = false;
  tasks = 0;
  readonly #subject: Subject;
  readonly #options: OrdersOptions;
  readonly #sim: Simulation;
  readonly #path: Fork[];
  readonly #seen: Set<string>;
  readonly #texts: Texts;
  readonly #known = new Map<number, Known>();
  /** What has happened in each process. */
  readonly #pasts: number[] = Array(WORKERS).fill(0);
  readonly #workers: Incarnation[] = [];
  #roots = 0;
  #isReady = false;
  #pausesLeft: number;
  #paused: number | null = null;
  #forks = 0;
  #last: PendingTask | null = null;
  /** What the log was asked and answered in the task that ran last. */
  #answers = "";
  #log = 0;
  #history = 0;
  #position = 0;

  constructor(subject: Subject, options: OrdersOptions, path: Fork[], seen: Set<string>, texts: Texts) {
    this.#subject = subject;
    this.#options = options;
    const { pauses, log = (store) => store } = options;
    this.#pausesLeft = pauses;
    this.#path = path;
    this.#seen = seen;
    this.#texts = texts;
    this.#sim = new Simulation({
      seed: subject.name,
      latencyMsMax: 0,
      store: (clock) => log(this.#watched(memoryStore(clock))),
      choose: (pending, now) => this.#choose(pending, now),
    });
  }

  /** How often the run was claimed. */
  get claims(): number {
    return this.#events.filter(({ type }) => type === "run.claimed").length;
  }

  get #events() {
    const [runId] = this.#sim.checker.runIds;
    return runId === undefined ? [] : this.#sim.checker.history(runId);
  }

  async run(): Promise<void> {
    const { checker } = this.#sim;
    await this.#submit();
    for (let i = 0; i < WORKERS; i++) {
      this.#workers.push(this.#boot({ leaseMs: LEASE_MS, pollMsMax: ORDER_MS_MAX }));
    }
    this.#isReady = true;
    const isOver = await this.#sim.run(ORDER_MS_MAX, () => this.isKnown || (this.#isEnded && !this.#isAnythingDue));
    if (this.isKnown) return;
    checker.expect("liveness", isOver, () => "the run does not end");
    await checker.finish();
    const end = this.#events.find(({ type }) => /^run\.(completed|failed)$/.test(type));
    const isExpected = end !== undefined && this.#subject.isExpected(end);
    checker.expect("result-as-expected", isExpected, () => `the run ended by ${end?.type} ${end?.data}`);
    this.failures.push(...checker.failures.map(failureText));
  }

  /** A run that is there before the workers are, from a process that does no more. */
  async #submit(): Promise<void> {
    const caller = this.#boot(false);
    const { workflow, input } = this.#subject;
    await this.#sim.run(1_000, () => caller.engine !== null);
    let isStarted = false;
    void caller.engine?.start(workflow, input).then(() => {
      isStarted = true;
    });
    await this.#sim.run(1_000, () => isStarted);
    this.#sim.crash(caller.proc);
    await this.#sim.run(1_000);
  }

  #boot(worker: { leaseMs: number; pollMsMax: number } | false): Incarnation {
    const code = (proc: Parameters<Subject["code"]>[1]) => this.#subject.code(this.#sim, proc);
    return this.#sim.boot({
      workflows: (proc) => [code(proc).workflow],
      env: (proc) => code(proc).env,
      worker,
    });
  }

  get #isEnded(): boolean {
    return this.#sim.checker.ended > 0;
  }

  #isAnythingDue = true;

  // ---- What runs next ----

  #choose(pending: readonly PendingTask[], now: number): PendingTask | null {
    const due = pending.filter(({ at }) => at <= now).sort((a, b) => a.number - b.number);
    if (!this.#isReady) return due[0] ?? null;
    this.#conclude(now);
    for (const task of [...pending].sort((a, b) => a.number - b.number)) this.#knownOf(task);
    this.#isAnythingDue = due.length > 0;
    if (!this.#isAnythingDue) return null;
    const options = this.#optionsAt(due);
    const option = options[this.#decide(options.length, pending, now)];
    if (option === undefined || option.kind === "pass-time") return null;
    if (option.kind === "pause") {
      this.#paused = option.worker;
      this.#pausesLeft--;
      return this.#choose(pending, now);
    }
    const { task } = option;
    if (this.#workerOf(task) === this.#paused) this.#paused = null;
    this.#last = task;
    this.#answers = "";
    this.tasks++;
    return task;
  }

  #optionsAt(due: readonly PendingTask[]): Option[] {
    // The scope begins when both are up, and each has asked for the first time what is ahead.
    const starting = due.find((task) => this.#workers[this.#workerOf(task)]?.engine === null);
    if (starting !== undefined) return [{ kind: "run", task: starting }];
    const isOver = this.#isEnded;
    const mayPause = this.#pausesLeft > 0 && this.#paused === null && !isOver;
    const withPauses = (tasks: readonly PendingTask[]): Option[] => {
      const called = tasks.filter((task) => mayPause && this.#isOfCall(task));
      const workers = [...new Set(called.map((task) => this.#workerOf(task)))].sort();
      const pauses = workers.map((worker) => ({ kind: "pause", worker }) as const);
      return [...tasks.map((task) => ({ kind: "run", task }) as const), ...pauses];
    };
    const isIdle = this.#paused !== null && due.every((task) => this.#workerOf(task) === this.#paused);
    const stays = !isOver && !isIdle && !this.#options.endsPausesAnywhere ? this.#paused : null;
    const firsts: PendingTask[] = [];
    for (let worker = 0; worker < WORKERS; worker++) {
      if (worker === stays) continue;
      const own = due.filter((task) => this.#workerOf(task) === worker);
      // Calls of one worker arrive in the order in which they were sent, as on one connection.
      const [call] = own.filter(({ place }) => place === null);
      // A process does what is due in it in the order of its time.
      const [first] = own.filter(({ place }) => place !== null).sort((a, b) => a.at - b.at || a.number - b.number);
      // Invariant I4.
      if (worker !== this.#paused && call === undefined && first !== undefined) return withPauses([first]);
      firsts.push(...[call, first].filter((task) => task !== undefined));
    }
    // Once the run is over nobody need be waited for.
    return isIdle && !isOver ? [...withPauses(firsts), { kind: "pass-time" }] : withPauses(firsts);
  }

  /** Whether it is a call on its way to the log, or back. */
  #isOfCall({ place, number }: PendingTask): boolean {
    return place === null || this.#known.get(number)?.isAnswer === true;
  }

  /** Which of the options is taken; the order is given up at a state that is known. */
  #decide(options: number, pending: readonly PendingTask[], now: number): number {
    const isFork = options > 1;
    const fork = this.#path[this.#forks];
    if (fork !== undefined) {
      // As in the order before, up to the fork at which this one turns.
      if (isFork) this.#forks++;
      return isFork ? fork.taken : 0;
    }
    const state = this.#stateOf(pending, now);
    if (this.#seen.has(state)) {
      this.isKnown = true;
      return -1;
    }
    this.#seen.add(state);
    if (isFork) {
      this.#path.push({ options, taken: 0 });
      this.#forks++;
    }
    return 0;
  }

  // ---- What a state is ----

  /** Invariant I1. */
  #stateOf(pending: readonly PendingTask[], now: number): string {
    const tasks = pending.map((task) => `${this.#knownOf(task).id}@${task.at}`).sort();
    return [this.#log, now, ...this.#pasts, this.#paused, this.#pausesLeft, ...tasks].join(" ");
  }

  #workerOf(task: PendingTask): number {
    return this.#knownOf(task).worker;
  }

  /** Invariant I3. */
  #knownOf({ number, parent, place }: PendingTask): Known {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    assert(parent !== null || this.#roots < WORKERS, "each worker begins with one task");
    const by = parent === null ? undefined : this.#known.get(parent);
    const isOfLog = place === null;
    const made: Known =
      by === undefined
        ? {
            id: this.#texts.number(`root ${this.#roots}`),
            worker: this.#roots++,
            isAnswer: false,
            isOfLog,
            children: 0,
          }
        : {
            id: this.#texts.number(`${by.id}/${by.children++} ${this.#answers}`),
            worker: by.worker,
            isAnswer: by.isOfLog,
            isOfLog,
            children: 0,
          };
    this.#known.set(number, made);
    return made;
  }

  /** The task that ran last is over. What happens at the log happens in no process: its answer is a task of its own. */
  #conclude(now: number): void {
    if (this.#last === null) return;
    const { id, worker } = this.#knownOf(this.#last);
    const isLocal = this.#last.place !== null;
    this.#last = null;
    if (isLocal) this.#pasts[worker] = this.#texts.number(`${this.#pasts[worker]} ${id} ${now}`);
  }

  // ---- The log ----

  #watched(store: LogStore): LogStore {
    const methods = SITES.map((site) => {
      const method = store[site] as (...args: unknown[]) => Promise<unknown>;
      const call = async (...args: unknown[]) => {
        const result = await method.apply(store, args);
        // The checker alone reads histories here.
        if (site !== "readHistory") this.#answers += JSON.stringify(result ?? null, withMaps);
        if (WRITES.has(site)) await this.#read(store);
        return result;
      };
      return [site, call];
    });
    const { exclusive, localClock } = store;
    return { ...Object.fromEntries(methods), exclusive, localClock, close: async () => {} } as LogStore;
  }

  /** The log by one number: its events, its runs' rows, its workers' leases, and its locks. */
  async #read(store: LogStore): Promise<void> {
    const rows = await store.readLog({ afterPosition: this.#position, limit: 1_000 });
    for (const row of rows) this.#history = this.#texts.number(`${this.#history} ${JSON.stringify(row)}`);
    this.#position += rows.length;
    const runs = await store.listRuns({}, { before: null, limit: 10 });
    const workers = await store.listWorkers();
    const locks = await store.listLocks({ name: null, limit: 10 });
    this.#log = this.#texts.number(`${this.#history} ${JSON.stringify([runs, workers, locks])}`);
  }
}

const WRITES: ReadonlySet<Site> = new Set([
  "append",
  "openWorker",
  "heartbeat",
  "closeWorker",
  "claim",
  "disown",
  "releaseStuck",
  "reopen",
  "putKeyed",
  "requestLock",
]);

function withMaps(_: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value;
}
