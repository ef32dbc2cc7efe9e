/**
 * One seed: a fleet of workers, random programs, callers that start and cancel, and whatever may go wrong; then it heals,
 * and everything must come to what its program comes to.
 */
import type { Engine } from "../../src/engine/api.ts";
import { FAULT_KINDS, FAULT_KINDS_OF_A_FILE, type FaultRates, swarm } from "../../src/testing/faults.ts";
import type { Prng } from "../../src/testing/prng.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import {
  type BootOptions,
  type Incarnation,
  Simulation,
  type SimulationOptions,
} from "../../src/testing/simulation.ts";
import { interpreter, type World } from "./interpreter.ts";
import { type Ending, endingOf, fits } from "./oracle.ts";
import { type Program, randomProgram, sizeOf } from "./program.ts";

export interface SeedOptions extends Pick<SimulationOptions, "without" | "store" | "keepTrace"> {
  /** In place of those that the seed draws. */
  readonly faults?: FaultRates;
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
  isCancelled: boolean;
  runId: string | null;
}

/** After the trouble everything must have ended within so much virtual time. */
const HEALED_MS_MAX = 4 * 3_600_000;

/** A late request arrives at most so long after it was sent. */
const LATE_MS = 75_000;

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedReport> {
  const fleet = new Fleet(seed, options);
  await fleet.run();
  return fleet.report();
}

class Fleet {
  readonly #seed: number;
  readonly #sim: Simulation;
  readonly #plan: Prng;
  readonly #isShared: boolean;
  readonly #workers: number;
  readonly #orders: Order[] = [];
  readonly #troubleMs: number;
  readonly #setup: Omit<BootOptions, "workflows">;
  readonly #crashMs: number;
  readonly #pauseMs: number;
  #isHealed = false;
  #crashes = 0;
  #cancels = 0;

  constructor(seed: number, options: SeedOptions) {
    this.#seed = seed;
    const name = `seed ${seed}`;
    const { faults, ...rest } = options;
    const draft = new Simulation({ seed: name });
    this.#plan = draft.prng.stream("plan");
    const plan = this.#plan;
    this.#isShared = plan.chance(0.7);
    this.#workers = this.#isShared ? plan.int(2, 4) : 1;
    const rates = faults ?? swarm(plan, this.#isShared ? FAULT_KINDS : FAULT_KINDS_OF_A_FILE);
    const latencyMsMax = plan.pick([0, 3, 50]);
    this.#sim = new Simulation({ seed: name, faults: rates, exclusive: !this.#isShared, latencyMsMax, ...rest });
    this.#troubleMs = plan.pick([5_000, 30_000, 120_000]);
    this.#crashMs = plan.pick([Number.POSITIVE_INFINITY, 60_000, 15_000]);
    this.#pauseMs = plan.pick([Number.POSITIVE_INFINITY, 60_000, 20_000]);
    this.#setup = {
      worker: {
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
    const program = randomProgram(plan, plan.int(8, 20));
    const deadlineMs = plan.chance(0.05) ? plan.int(1_000, 60_000) : null;
    return { key: `order-${index}`, program, ending: endingOf(program), deadlineMs, isCancelled: false, runId: null };
  }

  // ---- What happens ----

  async run(): Promise<void> {
    const { agenda } = this.#sim;
    for (let i = 0; i < this.#workers; i++) this.#boot();
    if (this.#isShared) this.#bootCaller();
    for (const order of this.#orders) {
      agenda.after(this.#plan.float() * this.#troubleMs * 0.5, () => this.#start(order));
      if (this.#plan.chance(0.1)) agenda.after(this.#plan.float() * this.#troubleMs, () => this.#cancel(order));
    }
    this.#plagueBy(this.#crashMs, (each) => this.#crash(each));
    this.#plagueBy(this.#pauseMs, ({ proc }) => proc.pause(this.#plan.pick([500, 3_000, 40_000])));
    await this.#sim.run(this.#troubleMs);
    this.#heal();
    const isOver = await this.#sim.run(HEALED_MS_MAX, () => this.#isOver());
    // Late requests may still be on their way, and must change nothing.
    if (isOver) await this.#sim.run(LATE_MS);
    await this.#sim.checker.finish();
    if (!this.#sim.checker.hasFailed) this.#judge();
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

  #code(): Pick<BootOptions, "workflows" | "env"> {
    return { workflows: (proc) => [interpreter(this.#world(proc), "1")], env: (proc) => this.#world(proc) };
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
        if (alive.length > 0) harm(this.#plan.pick(alive));
        next();
      });
    };
    next();
  }

  #crash({ proc }: Incarnation): void {
    this.#crashes++;
    this.#sim.crash(proc);
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
    const { key, program, deadlineMs } = order;
    const options = { idempotencyKey: key, ...(deadlineMs === null ? {} : { deadline: deadlineMs }) };
    this.#insist(
      (engine) => engine.start("program", { program }, options),
      ({ id }) => {
        order.runId = id;
        this.#sim.checker.startAcknowledged(id);
      },
    );
  }

  #cancel(order: Order): void {
    order.isCancelled = true;
    this.#cancels++;
    this.#insist(
      async (engine) => {
        const run = await engine.start("program", { program: order.program }, { idempotencyKey: order.key });
        return await run.cancel({ reason: "a whim" }).then(
          () => run.id,
          (error: { code?: string }) => {
            if (error.code === "RUN_OVER") return null;
            throw error;
          },
        );
      },
      (runId) => {
        if (runId !== null) void this.#sim.checker.cancelAcknowledged(runId);
      },
    );
  }

  #insist<T>(call: (engine: Engine) => Promise<T>, done: (value: T) => void): void {
    const { agenda } = this.#sim;
    let isDone = false;
    const attempt = () => {
      if (isDone) return;
      agenda.after(30_000, attempt);
      const up = this.#sim.alive.filter(({ engine }) => engine !== null);
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
    const over = checker.ended + checker.poisoned.size;
    return this.#orders.every(({ runId }) => runId !== null) && over === checker.runIds.length;
  }

  #judge(): void {
    const { checker } = this.#sim;
    for (const order of this.#orders) {
      if (order.runId === null) continue;
      const end = checker.history(order.runId).find(({ type }) => /^run\.(completed|failed|cancelled)$/.test(type));
      const data = JSON.parse(end?.data ?? "{}") as { value?: unknown; error?: { message: string; code?: string } };
      const { values, errors } = order.ending;
      const isExpected =
        (end?.type === "run.completed" && values.some((value) => fits(value, data.value))) ||
        (end?.type === "run.failed" && errors.some((error) => fits(error, data.error?.message))) ||
        (end?.type === "run.failed" && order.deadlineMs !== null && data.error?.code === "RUN_DEADLINE") ||
        (end?.type === "run.cancelled" && order.isCancelled);
      if (checker.poisoned.has(order.runId)) continue;
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
