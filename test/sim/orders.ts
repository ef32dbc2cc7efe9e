/**
 * Every order of a small scope: two workers that are up, a run that both want, or several, and those that it starts, senders
 * that do something to it from processes of their own, and each order in which what is due in them and on their ways to the log can
 * happen. Within a process it happens in the order of its time, as an event loop has it, and calls of one process arrive in
 * the order in which they were sent, as on one connection; between processes any order is tried. A worker may stand still
 * whenever a call of its is on the way, there or back, and what it has sent stands still with it, while the other one goes on
 * and time passes for it. What a sender sends may be on the way for a while, whatever else happens. Else time passes only
 * when nothing else is left to do.
 *
 * The search goes depth first. A process cannot be copied, so each order is run from its beginning; it is given up where it
 * comes to a state that is known.
 *
 * I1 A state is: the log, its rows and the workers' leases; the instant; for each process, what has happened in it, in
 *    order, each with its instant and with what the log answered; what is pending, and when it is due; who stands still, and
 *    how often that may still happen. A process is determined by what has happened in it, and the rest by the log and by
 *    what is pending. So whatever follows from one state follows from an equal one, and no order is missed. Of a sender that
 *    has done all that it wanted nothing follows.
 * I2 States are compared as they are, by numbers that stand for texts, so no two are taken for one.
 * I3 What a task is follows from who added it: its parent, its place among the parent's tasks, and what the log answered to
 *    the parent. So a task is the same one in whatever order it came to be.
 * I4 Orders that differ only in when a process does what touches no log are one. While none of its calls is on its way to the
 *    log, what is due in it and what the others do leave each other alone, and time does not pass; so it goes first.
 * I5 What a sender asks the log before it sends anything changes nothing, nor does what it learns: it has asked before the
 *    scope begins.
 */
import type { RunHandle } from "../../src/engine/api-run.ts";
import { assert } from "../../src/kernel/assert.ts";
import type { EventRow } from "../../src/kernel/events.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { KeyedPut } from "../../src/log/port-keyed.ts";
import type { PendingTask } from "../../src/testing/agenda.ts";
import { type Incarnation, Simulation } from "../../src/testing/simulation.ts";
import { SITES, type Site } from "../../src/testing/store.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { acknowledge, type Deed, doTo } from "./deeds.ts";
import { failureText } from "./life.ts";
import type { Subject } from "./subject.ts";

export interface OrdersOptions {
  /** What others do to the run: each in a process of its own, one deed after the other. @default nothing */
  readonly senders?: readonly (readonly Deed[])[];
  /** For so long, milliseconds, time passes while something that a sender has sent is on the way. @default 0 */
  readonly sendersMs?: number;
  /** @default 2 */
  readonly workers?: number;
  /** How many runs there are from the beginning. @default 1 */
  readonly runs?: number;
  /** How many of them a worker has at a time. @default what a worker has */
  readonly concurrency?: number;
  /** What is in the log before there are any. @default nothing */
  readonly before?: readonly KeyedPut[];
  /** What must hold at the end beside what the checker looks at; returns what does not. @default nothing */
  readonly judge?: (store: LogStore, histories: readonly (readonly EventRow[])[]) => Promise<string | null>;
  /** How long a wait may be for which a run stays in memory, milliseconds. @default what a worker has */
  readonly parkAfterMs?: number;
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
  /** What the runs' histories came to, but for their claims: the types and keys of their events. */
  readonly stories: ReadonlySet<string>;
  /** Whether no order was left out. */
  readonly isExhaustive: boolean;
  readonly failures: readonly string[];
}

/** A point at which there was a choice, and what was chosen. */
interface Fork {
  readonly options: number;
  taken: number;
}

/** Short, so that few other instants lie before its end. */
const LEASE_MS = 24;

/** An order that takes longer than this goes nowhere. */
const ORDER_MS_MAX = 60_000;

export async function everyOrder(subject: Subject, options: OrdersOptions): Promise<OrdersReport> {
  const known = new Set<string>();
  const texts = new Texts();
  const claims = new Map<number, number>();
  const stories = new Set<string>();
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
      stories.add(order.story);
    }
    failures.push(...order.failures.map((each) => `order ${path.map(({ taken }) => taken).join(" ")}: ${each}`));
    isExhaustive = known.size < options.statesMax && failures.length === 0;
  } while (isExhaustive && next(path));
  return { states: known.size, ...counts, claims, stories, isExhaustive, failures };
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
  /** The process in which it happens, or from which it comes. */
  readonly place: number;
  /** Whether it brings what the log answered. */
  readonly isAnswer: boolean;
  readonly isOfLog: boolean;
  children: number;
}

/** What may be done at a fork. */
type Option =
  | { readonly kind: "run"; readonly task: PendingTask }
  | { readonly kind: "pause"; readonly place: number }
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
  readonly #senders: readonly (readonly Deed[])[];
  /** The senders', and then the workers'. */
  readonly #processes: Incarnation[] = [];
  /** What has happened in each. */
  readonly #pasts: number[];
  /** Senders that have done all that they wanted. */
  readonly #done = new Set<number>();
  #roots = 0;
  #isReady = false;
  #beganAt = 0;
  #pausesLeft: number;
  #paused: number | null = null;
  #forks = 0;
  #last: PendingTask | null = null;
  /** What the log answered in the task that ran last. */
  #answers = "";
  /** Whether the task that runs is a call of the log that it has not answered: what comes after that the checker asks. */
  #isCalled = false;
  #log = 0;
  #history = 0;
  #position = 0;
  #lastMail = 0;
  /** What was put under keys, by whom, and what came of it. */
  #puts = 0;
  readonly #runIds: string[] = [];

  constructor(subject: Subject, options: OrdersOptions, path: Fork[], seen: Set<string>, texts: Texts) {
    this.#subject = subject;
    this.#options = options;
    const { pauses, senders = [], workers = 2, log = (store) => store } = options;
    this.#senders = senders;
    this.#pasts = Array(senders.length + workers).fill(0);
    this.#pausesLeft = pauses;
    this.#path = path;
    this.#seen = seen;
    this.#texts = texts;
    this.#sim = new Simulation({
      seed: subject.name,
      latencyMsMax: 0,
      store: (clock) => this.#watched(log(bound(memoryStore(clock)))),
      choose: (pending, now) => this.#choose(pending, now),
    });
  }

  /** How often the run was claimed. */
  get claims(): number {
    return this.#events.filter(({ type }) => type === "run.claimed").length;
  }

  get story(): string {
    const stories = this.#runIds.map((runId) => {
      const told = this.#sim.checker.history(runId).filter(({ type }) => type !== "run.claimed");
      return told.map(({ type, key }) => (key === null ? type : `${type} ${key}`)).join(", ");
    });
    return stories.join(" | ");
  }

  get #events() {
    return this.#sim.checker.history(this.#runId);
  }

  /** The run that all want: the first, if there are several. */
  get #runId(): string {
    return this.#runIds[0] as string;
  }

  async run(): Promise<void> {
    const { checker } = this.#sim;
    await this.#submit();
    for (const deeds of this.#senders) await this.#send(deeds);
    const { parkAfterMs, concurrency } = this.#options;
    const worker = {
      leaseMs: LEASE_MS,
      pollMsMax: ORDER_MS_MAX,
      ...(parkAfterMs === undefined ? {} : { parkAfterMs }),
      ...(concurrency === undefined ? {} : { concurrency }),
    };
    while (this.#processes.length < this.#pasts.length) this.#processes.push(this.#boot(worker));
    this.#isReady = true;
    this.#beganAt = this.#sim.agenda.now;
    const isOver = await this.#sim.run(ORDER_MS_MAX, () => this.isKnown || (this.#isEnded && !this.#isAnythingDue));
    if (this.isKnown) return;
    checker.expect("liveness", isOver, () => "the run does not end");
    await checker.finish();
    for (const runId of this.#runIds) this.#checkEnd(runId);
    const histories = this.#runIds.map((runId) => checker.history(runId));
    const wrong = (await this.#options.judge?.(this.#sim.truth, histories)) ?? null;
    checker.expect("result-as-expected", wrong === null, () => wrong ?? "");
    this.failures.push(...checker.failures.map(failureText));
  }

  #checkEnd(runId: string): void {
    const { checker } = this.#sim;
    const end = checker.endOf(runId);
    const mayBeCancelled = this.#senders.flat().some((deed) => deed.do === "cancel" || deed.do === "terminate");
    const isExpected =
      end !== undefined && (this.#subject.isExpected(end) || (mayBeCancelled && end.type === "run.cancelled"));
    checker.expect("result-as-expected", isExpected, () => `the run ended by ${end?.type} ${end?.data}`);
  }

  /** Runs that are there before the workers are, from a process that does no more. */
  async #submit(): Promise<void> {
    const { runs = 1, before = [] } = this.#options;
    const caller = this.#boot(false);
    for (const put of before) {
      const result = await this.#sim.truth.putKeyed(put);
      this.#sim.checker.happened({ proc: caller.proc, site: "putKeyed", args: [put], result });
    }
    const { workflow, input } = this.#subject;
    await this.#sim.run(1_000, () => caller.engine !== null);
    for (let i = 0; i < runs; i++) {
      void caller.engine?.start(workflow, input).then(({ id }) => this.#runIds.push(id));
      await this.#sim.run(1_000, () => this.#runIds.length > i);
    }
    this.#sim.crash(caller.proc);
    await this.#sim.run(1_000);
  }

  /** A process whose first message is on its way. */
  async #send(deeds: readonly Deed[]): Promise<void> {
    const { checker, faults } = this.#sim;
    const sender = this.#boot(false);
    const place = this.#processes.push(sender) - 1;
    await this.#sim.run(1_000, () => sender.engine !== null);
    const perform = async () => {
      for (const deed of deeds) {
        const run = sender.engine?.run(this.#runId) as RunHandle;
        if (await doTo(run, deed)) acknowledge(checker, this.#runId, deed);
      }
      this.#done.add(place);
    };
    const sent = faults.calls.get("append") ?? 0;
    sender.proc.after(0, () => void perform());
    await this.#sim.run(1_000, () => (faults.calls.get("append") ?? 0) > sent);
  }

  #boot(worker: WorkerOptions | false): Incarnation {
    const code = (proc: Parameters<Subject["code"]>[1]) => this.#subject.code(this.#sim, proc);
    return this.#sim.boot({
      workflows: (proc) => [code(proc).workflow],
      env: (proc) => code(proc).env,
      worker,
    });
  }

  get #isEnded(): boolean {
    const { checker } = this.#sim;
    return checker.runIds.every((runId) => checker.isOver(runId));
  }

  #isAnythingDue = true;

  // ---- What runs next ----

  #choose(pending: readonly PendingTask[], now: number): PendingTask | null {
    const due = pending.filter(({ at }) => at <= now).sort((a, b) => a.number - b.number);
    // What is on its way from one sender stays there while the next one is made ready.
    if (!this.#isReady) return (this.#processes.length > 0 ? due.at(-1) : due[0]) ?? null;
    this.#conclude(now);
    for (const task of [...pending].sort((a, b) => a.number - b.number)) this.#knownOf(task);
    this.#isAnythingDue = due.length > 0;
    if (!this.#isAnythingDue) return null;
    const options = this.#optionsAt(due, now);
    const option = options[this.#decide(options.length, pending, now)];
    if (option === undefined || option.kind === "pass-time") return null;
    if (option.kind === "pause") {
      this.#paused = option.place;
      this.#pausesLeft--;
      return this.#choose(pending, now);
    }
    const { task } = option;
    if (this.#placeOf(task) === this.#paused) this.#paused = null;
    this.#last = task;
    this.#answers = "";
    this.#isCalled = task.place === null;
    this.tasks++;
    return task;
  }

  #optionsAt(due: readonly PendingTask[], now: number): Option[] {
    // The scope begins when both are up, and each has asked for the first time what is ahead.
    const starting = due.find((task) => this.#processes[this.#placeOf(task)]?.engine === null);
    if (starting !== undefined) return [{ kind: "run", task: starting }];
    const isOver = this.#isEnded;
    const mayPause = this.#pausesLeft > 0 && this.#paused === null && !isOver;
    const withPauses = (tasks: readonly PendingTask[]): Option[] => {
      const called = tasks.filter((task) => mayPause && this.#isOfCall(task) && !this.#isSender(this.#placeOf(task)));
      const places = [...new Set(called.map((task) => this.#placeOf(task)))].sort();
      const pauses = places.map((place) => ({ kind: "pause", place }) as const);
      return [...tasks.map((task) => ({ kind: "run", task }) as const), ...pauses];
    };
    const isPausedIdle = this.#paused !== null && due.every((task) => this.#placeOf(task) === this.#paused);
    const stays = !isOver && !isPausedIdle && !this.#options.endsPausesAnywhere ? this.#paused : null;
    const firsts: PendingTask[] = [];
    for (let place = 0; place < this.#processes.length; place++) {
      if (place === stays) continue;
      const own = due.filter((task) => this.#placeOf(task) === place);
      // Calls of one process arrive in the order in which they were sent, as on one connection.
      const [call] = own.filter((task) => task.place === null);
      // A process does what is due in it in the order of its time.
      const [first] = own.filter((task) => task.place !== null).sort((a, b) => a.at - b.at || a.number - b.number);
      // Invariant I4.
      if (place !== this.#paused && call === undefined && first !== undefined) return withPauses([first]);
      firsts.push(...[call, first].filter((task) => task !== undefined));
    }
    // Once the run is over nobody need be waited for.
    const mayTimePass = !isOver && due.every((task) => this.#isSlow(this.#placeOf(task), now));
    return mayTimePass ? [...withPauses(firsts), { kind: "pass-time" }] : withPauses(firsts);
  }

  #isSender(place: number): boolean {
    return place < this.#senders.length;
  }

  /** Whether time passes although there is something to do at this place. */
  #isSlow(place: number, now: number): boolean {
    if (!this.#isSender(place)) return place === this.#paused;
    return now < this.#beganAt + (this.#options.sendersMs ?? 0);
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
    const busy = new Set(pending.map((task) => this.#placeOf(task)));
    const pasts = this.#pasts.map((past, place) => (this.#done.has(place) && !busy.has(place) ? "done" : past));
    return [this.#log, now, ...pasts, this.#paused, this.#pausesLeft, ...tasks].join(" ");
  }

  #placeOf(task: PendingTask): number {
    return this.#knownOf(task).place;
  }

  /** Invariant I3. */
  #knownOf({ number, parent, place }: PendingTask): Known {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const by = parent === null ? undefined : this.#known.get(parent);
    assert(by !== undefined || this.#roots < this.#processes.length, "each process begins with one task");
    const isOfLog = place === null;
    const made: Known =
      by === undefined
        ? {
            id: this.#texts.number(`root ${this.#roots}`),
            place: this.#roots++,
            isAnswer: false,
            isOfLog,
            children: 0,
          }
        : {
            id: this.#texts.number(`${by.id}/${by.children++} ${this.#answers}`),
            place: by.place,
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
    const { id, place } = this.#knownOf(this.#last);
    const isLocal = this.#last.place !== null;
    this.#last = null;
    if (isLocal) this.#pasts[place] = this.#texts.number(`${this.#pasts[place]} ${id} ${now}`);
  }

  // ---- The log ----

  #watched(store: LogStore): LogStore {
    const methods = SITES.map((site) => {
      const method = store[site] as (...args: unknown[]) => Promise<unknown>;
      const call = async (...args: unknown[]) => {
        const isCall = this.#isCalled;
        this.#isCalled = false;
        const result = await method.apply(store, args);
        if (isCall) this.#answers = JSON.stringify(result ?? null, withMaps);
        if (site === "putKeyed") this.#puts = this.#texts.number(`${this.#puts} ${JSON.stringify([args, result])}`);
        if (WRITES.has(site)) await this.#read(store);
        return result;
      };
      return [site, call];
    });
    const { exclusive, localClock } = store;
    return { ...Object.fromEntries(methods), exclusive, localClock, close: async () => {} } as LogStore;
  }

  /** The log by one number: its events, its runs' rows, their mail, its workers' leases, its locks and keyed values. */
  async #read(store: LogStore): Promise<void> {
    const rows = await store.readLog({ afterPosition: this.#position, limit: 1_000 });
    for (const row of rows) this.#history = this.#texts.number(`${this.#history} ${JSON.stringify(row)}`);
    this.#position += rows.length;
    const runs = await store.listRuns({}, { before: null, limit: 10 });
    const workers = await store.listWorkers();
    const locks = await store.listLocks({ name: null, limit: 10 });
    const mail = await store.readInbox(runs.map(({ id }) => id));
    // What comes next is numbered from here on.
    this.#lastMail = Math.max(this.#lastMail, ...mail.map(({ id }) => id));
    const rest = JSON.stringify([runs, workers, locks, mail, this.#lastMail]);
    this.#log = this.#texts.number(`${this.#history} ${this.#puts} ${rest}`);
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

/** The store as an object of functions, from which another one can be made. */
function bound(store: LogStore): LogStore {
  const methods = SITES.map((site) => [site, store[site].bind(store)]);
  const { exclusive, localClock } = store;
  return { ...Object.fromEntries(methods), exclusive, localClock, close: async () => {} } as LogStore;
}

function withMaps(_: string, value: unknown): unknown {
  return value instanceof Map ? [...value] : value;
}
