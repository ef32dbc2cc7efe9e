/**
 * One seed: a fleet of workers, random programs, callers that start and cancel, and whatever may go wrong; then it heals,
 * and everything must come to what its program comes to.
 */
import type { Engine } from "../../src/engine/api.ts";
import type { RunHandle } from "../../src/engine/api-run.ts";
import { signalToken } from "../../src/engine/handle.ts";
import { verify } from "../../src/history/verify.ts";
import type { Failure } from "../../src/kernel/failure.ts";
import { schedule } from "../../src/scheduler/schedule.ts";
import { FAULT_KINDS, FAULT_KINDS_OF_A_FILE, type FaultRates, swarm } from "../../src/testing/faults.ts";
import type { Prng } from "../../src/testing/prng.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import {
  type BootOptions,
  type Incarnation,
  Simulation,
  type SimulationOptions,
} from "../../src/testing/simulation.ts";
import { type Hook, type WebhookDelivery, webhook } from "../../src/triggers/hook.ts";
import type { WebhookScheme } from "../../src/triggers/scheme.ts";
import { expectShieldsHeld, expectUndone } from "./afterwards.ts";
import { type Guise, type Input, interpreter, STEP_QUEUE, TOPICS, type World } from "./interpreter.ts";
import { type Ending, endingOf, fits, rootMessage } from "./oracle.ts";
import { type Bias, COUNTERS, type Program, randomProgram, sizeOf, waitsOf } from "./program.ts";
import { askedBy, divergenceOf, isPaused, withoutConcluded, withoutUndone } from "./replay.ts";

export interface SeedOptions extends Pick<SimulationOptions, "without" | "store" | "keepTrace" | "tasksMax"> {
  /** In place of those that the seed draws. */
  readonly faults?: FaultRates;
  /** What programs are made of, where it is not what they are made of in general. */
  readonly bias?: Bias;
  /** How fast the processes' clocks run that only go forward. @default 1 */
  readonly clockRate?: number;
}

/** What a seed came to. */
export interface SeedReport {
  readonly seed: number;
  readonly failures: Simulation["checker"]["failures"];
  readonly hash: string;
  readonly looks: Simulation["checker"]["looks"];
  readonly workers: number;
  /** Commands of each program. */
  readonly sizes: readonly number[];
  readonly faults: Simulation["faults"]["happened"];
  readonly calls: Simulation["faults"]["calls"];
  readonly crashes: number;
  readonly cancels: number;
  /** Runs that were parked because their claims kept ending with the death of a process. */
  readonly poisoned: number;
  readonly tasks: number;
  readonly events: number;
  /** Virtual milliseconds. */
  readonly lasted: number;
  readonly trace: readonly string[];
}

/** A run that somebody wants. */
interface Order {
  readonly key: string;
  readonly program: Program;
  readonly ending: Ending;
  readonly deadlineMs: number | null;
  /** It comes as a webhook: so often. Null: in another way. */
  readonly deliveries: number | null;
  /** Who starts it, if no webhook does: a caller, a message, or a schedule that has one instant. */
  readonly way: "call" | "message" | "schedule";
  /** When somebody wants it to start, milliseconds after the seed's begin. */
  readonly startsAfterMs: number;
  readonly signals: readonly Sending[];
  /** Whether somebody ends it by cancel or terminate. */
  isCancelled: boolean;
  runId: string | null;
}

/** A signal that somebody sends, so often. */
interface Sending {
  readonly name: string;
  /** It comes as a webhook of a hook that signals, or it is a message. */
  readonly by: "call" | "webhook" | "message";
  readonly dedupeKey: string;
  readonly times: number;
}

/** So often somebody pings for each order: each ping comes twice. */
const PINGS = 6;

/** After the trouble everything must have ended within so much virtual time. */
const HEALED_MS_MAX = 4 * 3_600_000;

/** Long enough to see a circle. */
const IDLE_MS = 20_000;

/** So often something may begin again once everything has ended: whoever goes on for longer turns in a circle. */
const IDLE_WINDOWS_MAX = 4;

/** A late request arrives at most so long after it was sent. */
const LATE_MS = 75_000;

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedReport> {
  const fleet = new Fleet(seed, options);
  await fleet.run();
  return fleet.report();
}

const keyOf = (call: string) => call.slice(call.indexOf(" ") + 1);

/** The keys of steps that have a compensation. */
const UNDOABLE = /^(?!(?:.*\/)?compensate(?:#\d+)?\/).*undoable-\d+(#\d+)?$/;

/** A heartbeat a third of the lease, and a look a second in two calls. */
const IDLE_CALLS_PER_SECOND_MAX = 8;

/** A world in which nothing runs. */
const NOBODY: World = { begin: () => () => {}, wait: async () => {}, given: () => {}, lastAsked: () => "" };

function biasOf({ messages, slots, undoes }: Extras, bias: Bias | undefined): Bias | undefined {
  if (!messages && slots === null && !undoes) return bias;
  const weights = {
    ...(messages ? { hear: 3 } : {}),
    ...(undoes ? { undo: 2, guard: 3, update: 3, lock: 2 } : {}),
    ...bias?.weights,
  };
  return { ...bias, weights, ...(slots === null ? {} : { queued: 0.2 }) };
}

function withFewerCrashes(rates: FaultRates): FaultRates {
  const rateOf = (kind: string, rate: number) => (kind.startsWith("crash") ? rate * CRASHES_WITH_LIMITS : rate);
  return Object.fromEntries(Object.entries(rates).map(([kind, rate]) => [kind, rateOf(kind, rate)]));
}

/** Hooks whose senders need no signature, because the runtime's cryptography does not go by virtual time. */
function hooksOf(workflow: ReturnType<typeof interpreter>): Hook[] {
  const verify: WebhookScheme["verify"] = async ({ headers }) => ({ ok: true, deliveryId: headers[0]?.[1] ?? "" });
  const scheme = { name: "trusting", check: async () => {}, verify };
  // It takes what is sent with a body: a ping is not.
  const filter = (delivery: WebhookDelivery) => delivery.body.length > 0;
  const told = (delivery: WebhookDelivery) => delivery.json() as { readonly runId: string; readonly name: string };
  const signal = {
    run: (delivery: WebhookDelivery) => told(delivery).runId,
    name: (delivery: WebhookDelivery) => told(delivery).name,
    payload: (delivery: WebhookDelivery) => told(delivery).name,
  };
  return [webhook({ name: "orders", scheme, filter, workflow }), webhook({ name: "tell", scheme, filter, signal })];
}

/** What a seed has beside what all have: a swarm's choice, so that most are as hard as they were. */
interface Extras {
  readonly messages: boolean;
  readonly schedules: boolean;
  /** How many runs a queue lets in at once; null: no limits. */
  readonly slots: number | null;
  /** Programs that undo by hand what they have done, and that guard parts of them with a breaker. */
  readonly undoes: boolean;
}

function drawnExtras(chance: Prng): Extras {
  return {
    messages: chance.chance(0.15),
    schedules: chance.chance(0.1),
    slots: chance.chance(0.15) ? chance.int(1, 2) : null,
    undoes: chance.chance(0.2),
  };
}

/** The share of crashes at calls that seeds with limits have: a run that is parked as poison keeps its places for good. */
const CRASHES_WITH_LIMITS = 0.05;

/** The workflow of runs that have limits. What they start has none: it would wait for those that wait for it. */
const LIMITED = "limited";

/** Few may be under way at once. */
const RULES: Guise["rules"] = {
  queue: "work",
  maxActiveRuns: 2,
  concurrency: { key: ({ program }) => program.length % 2, limit: 1 },
};

class Fleet {
  readonly #seed: number;
  readonly #extras: Extras;
  readonly #begunAt: number;
  readonly #bias: SeedOptions["bias"];
  readonly #sim: Simulation;
  readonly #plan: Prng;
  readonly #isShared: boolean;
  readonly #workers: number;
  readonly #orders: Order[] = [];
  readonly #troubleMs: number;
  readonly #setup: Omit<BootOptions, "workflows">;
  readonly #crashMs: number;
  readonly #pauseMs: number;
  readonly #stopMs: number;
  readonly #mayBeLate: boolean;
  readonly #readMs: number;
  #isHealed = false;
  #crashes = 0;
  #cancels = 0;

  constructor(seed: number, options: SeedOptions) {
    this.#seed = seed;
    const name = `seed ${seed}`;
    const { faults, bias, clockRate = 1, ...rest } = options;
    const draft = new Simulation({ seed: name });
    this.#extras = drawnExtras(draft.prng.stream("extras"));
    this.#begunAt = draft.agenda.now;
    this.#bias = biasOf(this.#extras, bias);
    this.#plan = draft.prng.stream("plan");
    const plan = this.#plan;
    this.#isShared = plan.chance(0.7);
    this.#workers = this.#isShared ? plan.int(2, 4) : 1;
    const drawn: FaultRates = faults ?? swarm(plan, this.#isShared ? FAULT_KINDS : FAULT_KINDS_OF_A_FILE);
    const rates = this.#extras.slots === null ? drawn : withFewerCrashes(drawn);
    this.#mayBeLate = rates["late-request"] !== undefined || rates.duplicate !== undefined;
    const latencyMsMax = plan.pick([0, 3, 50]);
    this.#sim = new Simulation({ seed: name, faults: rates, exclusive: !this.#isShared, latencyMsMax, ...rest });
    this.#troubleMs = plan.pick([5_000, 20_000, 60_000]);
    const crashMs = plan.pick([Number.POSITIVE_INFINITY, 60_000, 15_000]);
    this.#crashMs = this.#extras.slots === null ? crashMs : Math.max(crashMs, 40_000);
    this.#pauseMs = plan.pick([Number.POSITIVE_INFINITY, 60_000, 20_000]);
    this.#stopMs = plan.pick([Number.POSITIVE_INFINITY, 60_000, 20_000]);
    this.#readMs = plan.pick([Number.POSITIVE_INFINITY, 3_000]);
    const { slots } = this.#extras;
    this.#setup = {
      ...(slots === null ? {} : { queues: { work: { concurrency: slots }, [STEP_QUEUE]: { concurrency: 1 } } }),
      clockRate,
      worker: {
        pollMsMax: plan.pick([1_000, 4_000]),
        leaseMs: plan.pick([2_000, 15_000]),
        hotRunsMax: plan.pick([0, 1, 1_000]),
        parkAfterMs: plan.pick([0, 250]),
        concurrency: plan.pick([1, 2, 100]),
      },
    };
    const orders = plan.int(1, 4);
    for (let i = 0; i < orders; i++) this.#orders.push(this.#order(i));
  }

  #order(index: number): Order {
    const plan = this.#plan.stream(`order ${index}`);
    const program = randomProgram(plan, plan.int(8, 20), this.#bias);
    const deliveries = plan.chance(0.25) ? plan.int(1, 5) : null;
    const deadlineMs = deliveries === null && plan.chance(0.05) ? plan.int(1_000, 60_000) : null;
    const ending = endingOf(program);
    const signals = waitsOf(program).flatMap((command): Sending[] => {
      if (command.timeoutMs !== null && !plan.chance(0.6)) return [];
      const name = command.do === "wait" ? command.signal : command.name;
      const by = command.do === "hear" ? "message" : plan.stream(name).chance(0.5) ? "webhook" : "call";
      return [{ name, by, dedupeKey: `${index} ${name}`, times: plan.int(1, 2) }];
    });
    const way = deliveries === null && deadlineMs === null ? this.#way(plan.stream("way")) : "call";
    const startsAfterMs = plan.stream("start").float() * this.#troubleMs * 0.5;
    const key = `order-${index}`;
    return {
      key,
      program,
      ending,
      deadlineMs,
      deliveries,
      way,
      startsAfterMs,
      signals,
      isCancelled: false,
      runId: null,
    };
  }

  #way(chance: Prng): Order["way"] {
    const { messages, schedules } = this.#extras;
    if (schedules && chance.chance(0.5)) return "schedule";
    return messages && chance.chance(0.4) ? "message" : "call";
  }

  // ---- What happens ----

  async run(): Promise<void> {
    const { agenda } = this.#sim;
    for (let i = 0; i < this.#workers; i++) this.#boot();
    if (this.#isShared) this.#bootCaller();
    for (const order of this.#orders) {
      for (let i = 0; i < (order.deliveries ?? 1); i++)
        agenda.after(this.#plan.float() * this.#troubleMs * 0.5, () => this.#start(order));
      for (let i = 0; i < PINGS; i++)
        agenda.after(this.#plan.float() * this.#troubleMs * 0.5, () => this.#ping(`${order.key} ${i % (PINGS / 2)}`));
      if (this.#plan.chance(0.2)) agenda.after(this.#plan.float() * this.#troubleMs, () => this.#cancel(order));
      if (this.#plan.chance(0.2)) agenda.after(this.#plan.float() * this.#troubleMs, () => this.#pause(order));
      // One that came after all have ended would begin it all again.
      const retriesAt = this.#plan.chance(0.2) ? this.#plan.float() * this.#troubleMs * 0.8 : null;
      if (retriesAt !== null && !this.#mayBeLate) agenda.after(retriesAt, () => this.#retry(order));
      for (const signal of order.signals) {
        for (let i = 0; i < signal.times; i++) {
          agenda.after(this.#plan.float() * this.#troubleMs, () => this.#send(order, signal));
        }
      }
    }
    this.#plagueBy(this.#crashMs, (each) => this.#crash(each));
    this.#plagueBy(this.#stopMs, (each) => this.#stop(each));
    this.#plagueBy(this.#readMs, (each) => this.#read(each));
    this.#plagueBy(this.#pauseMs, ({ proc }) => proc.pause(this.#plan.pick([500, 3_000, 40_000])));
    await this.#sim.run(this.#troubleMs);
    this.#heal();
    const isOver = await this.#sim.run(HEALED_MS_MAX, () => this.#isOver());
    // Late requests may still be on their way, and must change nothing.
    if (isOver) await this.#idle();
    await this.#sim.checker.finish();
    if (this.#sim.checker.hasFailed) return;
    this.#judge();
    await this.#countUpdates();
    const verified = await verify(this.#sim.truth, { drain: (fn) => void setImmediate(fn) });
    this.#sim.checker.expect("row-follows-history", verified.equal, () => JSON.stringify(verified));
    await this.#replay();
  }

  /** Nothing is to be done any more: whoever still works a lot turns in a circle. */
  async #idle(windowsLeft = IDLE_WINDOWS_MAX): Promise<void> {
    const { faults, checker } = this.#sim;
    const eventsBefore = this.#eventCount();
    const before = this.#sim.alive.map(({ proc }) => ({ proc, calls: faults.callsOf(proc.name) }));
    const isStill = this.#sim.alive.some(({ proc }) => proc.isPaused);
    const idleMs = this.#mayBeLate || isStill ? LATE_MS : IDLE_MS;
    await this.#sim.run(idleMs);
    // What was told late has had one tried again that was parked as poison.
    const wasStill = this.#isOver() && this.#eventCount() === eventsBefore;
    if (!wasStill && windowsLeft > 1) {
      if (await this.#sim.run(HEALED_MS_MAX, () => this.#isOver())) await this.#idle(windowsLeft - 1);
      return;
    }
    for (const { proc, worker } of this.#sim.alive) {
      if (worker !== null)
        checker.expect("idle-holds-no-run", worker.activeRuns === 0, () => `${proc.name} holds ${worker.activeRuns}`);
    }
    for (const { proc, calls } of before) {
      const perSecond = ((faults.callsOf(proc.name) - calls) / idleMs) * 1_000;
      checker.expect(
        "no-hot-loop",
        perSecond <= IDLE_CALLS_PER_SECOND_MAX,
        () => `${proc.name}: ${perSecond} a second`,
      );
    }
  }

  #eventCount(): number {
    const { checker } = this.#sim;
    return checker.runIds.reduce((sum, runId) => sum + checker.history(runId).length, 0);
  }

  /** The history of one run, whole and cut off somewhere: the code asks for the same as far as it comes. */
  async #replay(): Promise<void> {
    const { checker } = this.#sim;
    const runId = this.#plan.pick(checker.runIds);
    const rows = checker.history(runId).slice(0, -1);
    if (rows.length === 0) return;
    const prefix = rows.slice(0, this.#plan.int(1, rows.length));
    if (isPaused(prefix) || isPaused(rows)) return;
    let begun = 0;
    const begin = () => {
      begun++;
      return () => {};
    };
    const world: World = { begin, wait: async () => {}, given: () => {}, lastAsked: () => "" };
    const { workflow } = JSON.parse(checker.history(runId)[0]?.data ?? "{}") as { readonly workflow: string };
    const code = interpreter(world, "1", { name: workflow });
    const diverged = await divergenceOf(code, checker.history(runId));
    checker.expect("replay-asks-the-same", diverged === null, () => `the whole history: ${diverged}`);
    // A retry may have begun anew.
    const next = rows.findIndex(({ type }, i) => i >= prefix.length && type === "run.reopened");
    const longer = next === -1 ? rows : rows.slice(0, next);
    const all = await askedBy(code, longer);
    const part = await askedBy(code, prefix);
    // Of scopes that have concluded in the whole history the code is not run again.
    const common = withoutConcluded(part, longer);
    const isSame = common.every((call, i) => call === all[i]);
    checker.expect("replay-asks-the-same", isSame, () => `run ${runId} up to ${prefix.length}: ${common} and ${all}`);
    checker.expect("replay-has-no-effect", begun === 0, () => `replay of run ${runId} began ${begun} bodies`);
    const asked = new Set(part.map(keyOf));
    const counted = withoutUndone(prefix);
    const keys = counted.filter((row) => row.key !== null && withoutConcluded([`call ${row.key}`], prefix).length > 0);
    const missing = keys.find(({ key }) => !asked.has(key as string));
    checker.expect(
      "replay-asks-the-same",
      missing === undefined,
      () => `run ${runId} does not ask for ${missing?.key}`,
    );
  }

  #boot(): void {
    const plan = this.#plan;
    const skewMs = this.#isShared && plan.chance(0.3) ? plan.int(-3_600_000, 3_600_000) : 0;
    const slowMs = !this.#isHealed && plan.chance(0.1) ? plan.pick([0.1, 5]) : 0;
    this.#watch(this.#sim.boot({ ...this.#setup, ...this.#code(), skewMs, slowMs }), () => this.#boot());
  }

  #bootCaller(): void {
    this.#watch(this.#sim.boot({ ...this.#code(), worker: false }), () => this.#bootCaller());
  }

  #code(): Pick<BootOptions, "workflows" | "hooks" | "schedules" | "queues" | "env"> {
    const { messages: listens, schedules, slots } = this.#extras;
    const { queues } = this.#setup;
    return {
      ...(queues === undefined ? {} : { queues }),
      workflows: (proc) => [
        interpreter(this.#world(proc), "1", { listens }),
        ...(slots === null ? [] : [interpreter(this.#world(proc), "1", { name: LIMITED, rules: RULES ?? {} })]),
      ],
      hooks: (proc) => hooksOf(interpreter(this.#world(proc), "1")),
      ...(schedules ? { schedules: this.#orders.flatMap((order) => this.#scheduleOf(order)) } : {}),
      env: (proc) => this.#world(proc),
    };
  }

  /** A schedule that has one instant. */
  #scheduleOf(order: Order): NonNullable<BootOptions["schedules"]> {
    if (order.way !== "schedule") return [];
    const at = new Date(Math.floor(this.#begunAt + order.startsAfterMs)).toISOString();
    // Its code is each process's own: only its name counts here.
    const workflow = interpreter(NOBODY, "1");
    return [schedule({ id: order.key, workflow, at, input: this.#inputOf(order) })];
  }

  #inputOf({ key, program }: Order): Input {
    return this.#extras.messages ? { program, tag: key } : { program };
  }

  /** Whoever watches over processes starts another when one is gone. */
  #watch(incarnation: Incarnation, again: () => void): void {
    const { agenda } = this.#sim;
    const look = () => {
      if (incarnation.proc.isDead) again();
      else agenda.after(1_000, look);
    };
    agenda.after(1_000, look);
  }

  #plagueBy(meanMs: number, harm: (each: Incarnation) => void): void {
    if (!Number.isFinite(meanMs)) return;
    const { agenda } = this.#sim;
    const next = () => {
      agenda.after(-Math.log(1 - this.#plan.float()) * meanMs, () => {
        if (this.#isHealed) return;
        const { alive } = this.#sim;
        // Nobody gets through to a process that stands still.
        const awake = alive.filter(({ proc }) => !proc.isPaused);
        if (awake.length > 0) harm(this.#plan.pick(awake));
        next();
      });
    };
    next();
  }

  #crash({ proc }: Incarnation): void {
    this.#crashes++;
    this.#sim.crash(proc);
  }

  /** As by SIGTERM: its runs are handed back, and then it is gone. */
  #stop({ engine, proc }: Incarnation): void {
    engine?.close({ deadline: this.#plan.pick([0, 1_000]) }).then(
      () => proc.crash(),
      () => proc.crash(),
    );
  }

  /** Somebody looks at what there is. What is read is the checker's to judge. */
  #read({ engine }: Incarnation): void {
    const order = this.#plan.pick(this.#orders);
    const look = this.#plan.pick(["list", "status", "history", "position"] as const);
    const read = async () => {
      if (look === "list") await engine?.list({ limit: 10 });
      else if (look === "position") await engine?.lastPosition();
      else if (order.runId !== null && look === "status") await engine?.run(order.runId).status();
      else if (order.runId !== null) await engine?.history(order.runId);
    };
    read().catch(() => {});
  }

  /** From now on nothing goes wrong, and there are workers of full speed. */
  #heal(): void {
    this.#isHealed = true;
    this.#sim.faults.stop();
  }

  #world(proc: SimulatedProcess): World {
    return {
      begin: (body) => this.#sim.checker.bodyStarts(proc, body),
      wait: (ms) => new Promise((resolve) => proc.after(ms, resolve)),
      given: (runId, key, value) => this.#sim.checker.given(proc, runId, key, value),
      lastAsked: (runId) => this.#sim.checker.lastAsked(proc, runId),
    };
  }

  // ---- Callers ----

  /** Tries until it is told that the run is durable. */
  #start(order: Order): void {
    const { key, deadlineMs, deliveries, way } = order;
    const input = this.#inputOf(order);
    const options = { idempotencyKey: key, ...(deadlineMs === null ? {} : { deadline: deadlineMs }) };
    const workflow = this.#extras.slots === null ? "program" : LIMITED;
    this.#insist(
      async (engine) => {
        if (way === "message") {
          await engine.publish(TOPICS.orders, input, { id: key });
          const message = await this.#sim.truth.getMessage(TOPICS.orders, key);
          return await this.#startedBy(`message/${message?.position}/`);
        }
        if (way === "schedule" && !(await this.#isTooLate(order))) return await this.#startedBy(`schedule/${key}/`);
        if (deliveries === null) return await engine.start(way === "call" ? workflow : "program", input, options);
        const body = new TextEncoder().encode(JSON.stringify(input));
        const outcome = await engine.deliver("orders", { headers: [["id", key]], body });
        if (outcome.kind === "accepted" && outcome.run !== null) return outcome.run;
        throw new Error(`a delivery was ${outcome.kind}`);
      },
      ({ id }) => {
        order.runId = id;
        this.#sim.checker.startAcknowledged(id);
      },
    );
  }

  /** Whether its schedule came into the log after its only instant, and so starts nothing. */
  async #isTooLate({ key, startsAfterMs }: Order): Promise<boolean> {
    const schedule = await this.#sim.truth.getSchedule(key);
    return schedule !== null && schedule.row.createdAt >= Math.floor(this.#begunAt + startsAfterMs);
  }

  /** The run that something has started under a key of its own. Throws while there is none. */
  async #startedBy(key: string): Promise<{ readonly id: string }> {
    const runs = await this.#sim.truth.listRuns({ workflow: "program" }, { before: null, limit: 1_000 });
    const found = runs.find(({ idempotencyKey }) => idempotencyKey?.startsWith(key) === true);
    if (found === undefined) throw new Error("it has not been started yet");
    return found;
  }

  #cancel(order: Order): void {
    order.isCancelled = true;
    this.#cancels++;
    // By a message, now and then: it ends only what has begun by then.
    if (this.#extras.messages && this.#plan.stream(`stop ${order.key}`).chance(0.5)) {
      this.#publish(TOPICS.stop, order.key, `stop ${order.key}`);
      return;
    }
    const isHard = this.#plan.chance(0.2);
    this.#tell(
      order,
      (run) => (isHard ? run.terminate({ reason: "a whim" }) : run.cancel({ reason: "a whim" })),
      (runId) => {
        if (!isHard) void this.#sim.checker.cancelAcknowledged(runId);
      },
    );
  }

  /** Somebody holds a run, and lets it go on once he has been told that he holds it. */
  #pause(order: Order): void {
    const resumeAfter = (ms: number, done: () => void) => {
      this.#sim.agenda.after(ms, () => this.#tell(order, (run) => run.resume(), done));
    };
    // A pause whose caller was told of nothing may come after the resume: then somebody sees it, and resumes the run again.
    const mayBeLate = this.#mayBeLate || Number.isFinite(this.#pauseMs);
    const look = () => (mayBeLate ? resumeAfter(LATE_MS, () => {}) : undefined);
    this.#tell(
      order,
      (run) => run.pause(),
      () => resumeAfter(this.#plan.pick([0, 1_000, 30_000]), look),
    );
  }

  /** Somebody lets a run go on that has failed, or was cancelled. What it was told after its end it must be told again. */
  #retry(order: Order): void {
    this.#insist(
      async (engine) => {
        if (order.runId === null || this.#isHealed) return false;
        return await engine
          .run(order.runId)
          .retry()
          .then(
            () => true,
            (error: { code?: string }) => {
              if (error.code === "RUN_NOT_OVER") return false;
              throw error;
            },
          );
      },
      (isRetried) => {
        if (!isRetried) return;
        for (const signal of order.signals) {
          // A message that it was given before is not given to it again.
          if (signal.by === "message") this.#publish(TOPICS.news, signal.name, `${signal.dedupeKey} again`);
          else this.#signal(order, signal);
        }
      },
    );
  }

  #send(order: Order, sending: Sending): void {
    if (sending.by === "webhook") this.#deliver(order, sending);
    else if (sending.by === "call") this.#signal(order, sending);
    else this.#publish(TOPICS.news, sending.name, sending.dedupeKey);
  }

  #publish(topic: string, payload: string, id: string): void {
    this.#insist(
      async (engine) => await engine.publish(topic, payload, { id }),
      () => {},
    );
  }

  #signal(order: Order, { name, dedupeKey }: Sending): void {
    this.#tell(
      order,
      (run) => run.signal(name, name, { dedupeKey }),
      (runId) => void this.#sim.checker.signalAcknowledged(runId, signalToken(runId, dedupeKey)),
    );
  }

  /** A delivery that says nothing is ignored, however often it comes. */
  #ping(id: string): void {
    this.#insist(
      async (engine) => await engine.deliver("orders", { headers: [["id", `ping ${id}`]], body: new Uint8Array() }),
      (outcome) => {
        const isIgnored = outcome.kind === "accepted" && outcome.decision === "ignored";
        this.#sim.checker.expect("delivery-one-decision", isIgnored, () => `ping ${id} was ${outcome.kind}`);
      },
    );
  }

  /** The same by a webhook. */
  #deliver(order: Order, { name, dedupeKey }: Sending): void {
    this.#insist(
      async (engine) => {
        const { runId } = order;
        if (runId === null) throw new Error("nobody tells what is not there");
        const body = new TextEncoder().encode(JSON.stringify({ runId, name }));
        const outcome = await engine.deliver("tell", { headers: [["id", dedupeKey]], body });
        return outcome.kind === "accepted" && outcome.run !== null && !outcome.isRepeat ? runId : null;
      },
      (runId) => {
        if (runId === null) return;
        void this.#sim.checker.signalAcknowledged(runId, `hook/tell/${dedupeKey}`);
      },
    );
  }

  /** Tries until the run has been told, or is over. */
  #tell(order: Order, tell: (run: RunHandle) => Promise<void>, told: (runId: string) => void): void {
    this.#insist(
      async (engine) => {
        if (order.runId === null) throw new Error("nobody tells what is not there");
        const run = engine.run(order.runId);
        return await tell(run).then(
          () => run.id,
          (error: { code?: string }) => {
            if (error.code === "RUN_OVER") return null;
            throw error;
          },
        );
      },
      (runId) => {
        if (runId !== null) told(runId);
      },
    );
  }

  #insist<T>(call: (engine: Engine) => Promise<T>, done: (value: T) => void): void {
    const { agenda } = this.#sim;
    let isDone = false;
    const attempt = () => {
      if (isDone) return;
      agenda.after(30_000, attempt);
      const up = this.#sim.alive.filter(({ engine, proc }) => engine !== null && !proc.isPaused);
      if (up.length === 0) return;
      const { engine, proc } = this.#plan.pick(up);
      call(engine as Engine).then(
        (value) => {
          if (isDone || proc.isDead) return;
          isDone = true;
          done(value);
        },
        // As a caller that is told of an error, or of nothing: it asks again.
        () => {},
      );
    };
    attempt();
  }

  // ---- The end ----

  #isOver(): boolean {
    const { checker } = this.#sim;
    const isOver = (runId: string) =>
      checker.isOver(runId) || checker.poisoned.has(runId) || checker.waitsForPoisoned(runId);
    return this.#orders.every(({ runId }) => runId !== null) && checker.runIds.every(isOver);
  }

  /** Two updates that came to the same would be one lost. One that nobody was told of may have been done or not. */
  async #countUpdates(): Promise<void> {
    const { checker, truth } = this.#sim;
    const updates = checker.runIds.flatMap((id) => checker.history(id)).filter(({ key }) => key?.includes(".update:"));
    for (const counter of COUNTERS) {
      const of = updates.filter(({ key }) => key?.includes(`:${counter}`));
      const requested = of.filter(({ type }) => type === "kv.requested").length;
      const answers = of.flatMap(({ type, data }) => (type === "kv.answered" ? [JSON.parse(data ?? "{}").value] : []));
      const { value } = await truth.getKeyed("global", counter);
      const count = value === null ? 0 : JSON.parse(value).value;
      const isRight = new Set(answers).size === answers.length && answers.length <= count && count <= requested;
      const what = () => `${counter} is ${count} after ${requested} updates, which came to ${answers}`;
      checker.expect("update-loses-nothing", isRight, what);
    }
  }

  #judge(): void {
    const { checker } = this.#sim;
    for (const runId of checker.runIds) {
      // Cancelled after that, it has ended without its code.
      if (checker.wasPoisoned(runId) && checker.endOf(runId)?.type === "run.cancelled") continue;
      expectUndone(checker, runId, (key) => UNDOABLE.test(key));
      expectShieldsHeld(checker, runId);
    }
    for (const order of this.#orders) {
      if (order.runId === null) continue;
      const end = checker.history(order.runId).findLast(({ type }) => /^run\.(completed|failed|cancelled)$/.test(type));
      const data = JSON.parse(end?.data ?? "{}") as { value?: unknown; error?: Failure };
      const { values, errors } = order.ending;
      const isExpected =
        (end?.type === "run.completed" && values.some((value) => fits(value, data.value))) ||
        (end?.type === "run.failed" && errors.some((error) => fits(error, rootMessage(data.error)))) ||
        (end?.type === "run.failed" && order.deadlineMs !== null && data.error?.code === "RUN_DEADLINE") ||
        (end?.type === "run.cancelled" && order.isCancelled);
      if (checker.poisoned.has(order.runId) || checker.waitsForPoisoned(order.runId)) continue;
      checker.expect("result-as-expected", isExpected, () => `run ${order.runId} ended as ${end?.type} ${end?.data}`);
    }
  }

  report(): SeedReport {
    const { checker, trace, faults, agenda } = this.#sim;
    return {
      seed: this.#seed,
      failures: checker.failures,
      hash: trace.hash,
      looks: checker.looks,
      workers: this.#workers,
      sizes: this.#orders.map(({ program }) => sizeOf(program)),
      faults: faults.happened,
      calls: faults.calls,
      crashes: this.#crashes,
      cancels: this.#cancels,
      poisoned: checker.poisoned.size,
      tasks: agenda.count,
      events: checker.runIds.reduce((sum, id) => sum + checker.history(id).length, 0),
      lasted: agenda.now - Date.UTC(2026, 0, 1),
      trace: trace.lines,
    };
  }
}
