/**
 * One simulated run: workers on one log, a user's world, what the seed makes go wrong, and the judgement at the end.
 *
 * I1 Everything is decided by seed, workers and the choice of faults: the same life again comes to the same.
 */
import type { Workflow } from "../ctx/workflow.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { LogWrite, RunAppend, WriteVerdict } from "../log/port-write.ts";
import { macrotask } from "./agenda.ts";
import { judge, type LifeFailure } from "./judgement.ts";
import { type Harm, Nemesis } from "./nemesis.ts";
import type { SimulatedProcess } from "./process.ts";
import { checkCase, type Plan, type SimulatedCase, type SimulatedRun } from "./simulate-options.ts";
import { Simulation } from "./simulation.ts";
import { Starter } from "./starter.ts";
import type { Effect } from "./store.ts";
import { Story, type StoryLine } from "./story.ts";
import type { HappenedFault } from "./trouble.ts";
import { watched } from "./watched.ts";
import { World } from "./world.ts";

/** Which life: what a failure names so that it can be lived again. */
export interface LifeChoice {
  readonly seed: number;
  readonly workers: number;
  /** Ids of the only faults that happen; null: those that the seed draws. */
  readonly only: readonly string[] | null;
}

/** What a life came to. */
export interface LifeReport {
  readonly choice: LifeChoice;
  readonly failure: LifeFailure | null;
  /** How the run ended; null: it did not. */
  readonly status: SimulatedRun["status"] | null;
  readonly faults: readonly HappenedFault[];
  readonly story: readonly StoryLine[];
  readonly crashes: number;
  /** Bodies that began, by step, and of how many nobody knows how far they came. */
  readonly steps: ReadonlyMap<string, { readonly attempts: number; readonly interrupted: number }>;
  readonly looks: Simulation["checker"]["looks"];
  readonly virtualMs: number;
  readonly hash: string;
}

type AnyWorkflow = Workflow<never, unknown, never, never>;

/** A process that died is replaced after so long at most. */
const REPLACED_MS_MAX = 2_000;

/** While the run sleeps longer than this its processes are stopped: they would look at the log once a second. */
const DOZE_MS = 60_000;
/** They are started again so long before the run goes on, at most. */
const EARLY_MS_MAX = 20_000;

/** When nothing has moved for so long, nothing will: no lease, pause or answer takes as long. */
const STALL_MS = 300_000;

/** The most that one life may take: a run that never ends is told from one that takes its time. */
const TASKS_MAX = 1_000_000;

/** A late request arrives at most so long after it was sent. */
const LATE_MS = 75_000;

/** So many macrotasks may a body take for what is no wait of the world: some of the platform's promises need a few. */
const PATIENCE = 50;

/** Lives one life. */
export async function live(workflow: AnyWorkflow, plan: Plan, choice: LifeChoice): Promise<LifeReport> {
  const life = new Life(workflow, plan, choice);
  await life.run();
  return life.report();
}

class Life {
  readonly #workflow: AnyWorkflow;
  readonly #plan: Plan;
  readonly #choice: LifeChoice;
  readonly #nemesis: Nemesis;
  readonly #simulation: Simulation;
  readonly #world: World;
  readonly #story: Story;
  readonly #starter: Starter;
  readonly #beganAt: number;
  readonly #worker: { readonly leaseMs: number; readonly hotRunsMax: number; readonly parkAfterMs: number };
  readonly #steps = new Map<string, { attempts: number; interrupted: number }>();
  #case: SimulatedCase<never> = { input: undefined as never };
  /** How much of the run's history the story has told. */
  #toldSeq = 0;
  #runId: string | null = null;
  #crashes = 0;
  /** All processes are stopped while the run sleeps. */
  #isDozing = false;
  #writtenAt = 0;
  #failure: LifeFailure | null = null;
  #status: SimulatedRun["status"] | null = null;

  constructor(workflow: AnyWorkflow, plan: Plan, choice: LifeChoice) {
    this.#workflow = workflow;
    this.#plan = plan;
    this.#choice = choice;
    const seed = `simulate ${choice.seed}`;
    const only = choice.only === null ? null : new Set(choice.only);
    this.#nemesis = new Nemesis({
      seed,
      faults: plan.faults,
      only,
      happened: ({ what }) => this.#story.tell(null, `>> ${what}`),
    });
    const draw = new Simulation({ seed }).prng.stream("plan");
    this.#simulation = new Simulation({
      seed,
      faults: this.#nemesis.rates,
      latencyMsMax: draw.pick([0, 3, 50]),
      mayHappen: (fault) => this.#nemesis.mayHappen(fault),
      happened: (effect) => this.#happened(effect),
      died: (proc, error) => this.#died(proc, error),
    });
    this.#worker = {
      leaseMs: draw.pick([2_000, 15_000]),
      hotRunsMax: draw.pick([0, 1_000]),
      parkAfterMs: draw.pick([0, 250]),
    };
    const { agenda } = this.#simulation;
    this.#starter = new Starter(this.#simulation, workflow.name);
    this.#beganAt = agenda.now;
    this.#writtenAt = agenda.now;
    this.#story = new Story(agenda);
    this.#world = new World(
      {
        simulation: this.#simulation,
        reached: (proc, moment, bodies) => {
          const steps = bodies.map(({ key }) => key);
          this.#harm(proc, this.#nemesis.atBody(proc.name, moment, steps));
        },
        tell: (proc, what) => this.#story.tell(proc.name, what),
      },
      choice.seed,
    );
  }

  // ---- What happens ----

  async run(): Promise<void> {
    this.#case = checkCase(await this.#plan.setup(this.#world.sim));
    for (let i = 0; i < this.#choice.workers; i++) this.#boot(null);
    this.#starter.begin(this.#case.input);
    this.#planHarm();
    await this.#untilOver();
    if (this.#starter.refusal !== null) throw this.#starter.refusal.error;
    // Late requests may still be on their way, and must change nothing.
    const isLate = this.#nemesis.happened.some(({ fault }) => fault === "late-request" || fault === "repeated-request");
    if (this.#failure === null && isLate) await this.#simulation.run(LATE_MS);
    this.#world.end();
    if (this.#failure !== null) return;
    const { failure, status } = await judge(this.#simulation, this.#runId, this.#case);
    this.#failure = failure;
    this.#status = status;
  }

  async #untilOver(): Promise<void> {
    const { agenda } = this.#simulation;
    const isOver = () => this.#isOver() || this.#world.stranded.length > 0 || this.#isStalled();
    for (;;) {
      const isAlive = await this.#simulation.run(Number.POSITIVE_INFINITY, isOver);
      if (this.#isOver() || this.#simulation.checker.hasFailed) return;
      if (this.#world.stranded.length > 0) await this.#strand();
      else if (!isAlive || this.#isStalled()) {
        this.#failure = { kind: "unfinished", what: await this.#unfinishedText(agenda.now) };
        return;
      }
    }
  }

  #isOver(): boolean {
    const { checker } = this.#simulation;
    if (this.#failure !== null || this.#starter.refusal !== null) return true;
    return this.#starter.isAcknowledged && checker.ended + checker.poisoned.size === checker.runIds.length;
  }

  #isStalled(): boolean {
    const { agenda } = this.#simulation;
    if (agenda.count > TASKS_MAX) return true;
    const movedAt = Math.max(this.#writtenAt, this.#world.movedAt);
    return agenda.now - movedAt > STALL_MS && !this.#isDozing && !this.#world.isMoving;
  }

  /**
   * A body waits for something that is no wait of the world. Virtual time stands still meanwhile, so a promise of the
   * platform that needs some macrotasks changes nothing; real time is an error.
   */
  async #strand(): Promise<void> {
    for (let i = 0; i < PATIENCE; i++) {
      await macrotask();
      if (this.#world.stranded.length === 0) return;
    }
    const [body] = this.#world.stranded;
    const { key, attempt } = body as { key: string; attempt: number };
    throw new DefinitionError(
      "SIMULATION_REAL_TIME",
      `expected the body of step "${key}" to wait for the simulated world only, but found it waiting for something else, ` +
        "such as a timer, a socket or a file: time is virtual here, so that never comes; " +
        "give the step a fake by env, which waits by sim.wait(ms), or by sim.hang() if it is to hang",
      { step: key, attempt, seed: this.#choice.seed },
    );
  }

  async #unfinishedText(now: number): Promise<string> {
    const row = this.#runId === null ? null : await this.#simulation.truth.getRun(this.#runId);
    const { running } = this.#world;
    const waits = running.length > 0 ? `; the body of ${running.join(", ")} has not ended` : "";
    return `the run has not ended ${Math.round((now - this.#beganAt) / 1_000)} s after its start, and nothing will move it: it is ${row?.status ?? "not started"}${waits}`;
  }

  // ---- Processes ----

  #boot(before: SimulatedProcess | null): void {
    const name = `p${this.#simulation.incarnations.length + 1}`;
    const skewMs = this.#nemesis.clockOf(name);
    this.#story.tell(name, before === null ? "starts" : `starts in place of ${before.name}`);
    const { env } = this.#case;
    const { queues, limits } = this.#plan;
    this.#simulation.boot({
      workflows: (proc) => [
        watched(this.#workflow, {
          body: (body, run) => this.#world.body(proc, body, run),
          given: (runId, key, value) => this.#simulation.checker.given(proc, runId, key, value),
        }),
      ],
      env: () => env,
      ...(queues === undefined ? {} : { queues }),
      ...(limits === undefined ? {} : { limits }),
      worker: this.#worker,
      skewMs,
    });
  }

  #planHarm(): void {
    const { agenda } = this.#simulation;
    for (const planned of this.#nemesis.planned()) {
      agenda.after(planned.afterMs, () => {
        const { alive } = this.#simulation;
        const victim = alive[Math.floor(planned.victim * alive.length)];
        if (victim === undefined || this.#isOver() || !this.#nemesis.hits(planned, victim.proc.name)) return;
        this.#harm(victim.proc, planned.harm);
      });
    }
  }

  #harm(proc: SimulatedProcess, harm: Harm | null): void {
    if (harm?.kind === "crash") this.#simulation.crash(proc);
    else if (harm?.kind === "pause") proc.pause(harm.ms);
  }

  #died(proc: SimulatedProcess, error: unknown): void {
    this.#world.died(proc);
    if (this.#isDozing) return;
    if (error === null) this.#crashes++;
    else this.#story.tell(proc.name, `exits, because it cannot begin to work: ${String(error)}`);
    const { agenda, prng } = this.#simulation;
    agenda.after(prng.stream(`replace/${proc.name}`).float() * REPLACED_MS_MAX, () => {
      if (!this.#isDozing) this.#boot(proc);
    });
  }

  /** The run sleeps until `until`: its processes are stopped for so long, as by night. */
  async #doze(runId: string, until: number): Promise<void> {
    const { agenda, prng, truth, alive } = this.#simulation;
    const row = await truth.getRun(runId);
    const early = prng.stream(`doze/${until}`).float() * EARLY_MS_MAX;
    const ms = until - early - agenda.now;
    if (row?.status !== "waiting" || row.owner !== null || row.availableAt !== until || ms <= 0) return;
    if (this.#isDozing || this.#isOver()) return;
    this.#isDozing = true;
    this.#starter.pause();
    this.#story.tell(null, "all processes are stopped while the run sleeps");
    for (const { proc } of alive) this.#simulation.crash(proc);
    agenda.after(ms, () => {
      this.#isDozing = false;
      this.#writtenAt = agenda.now;
      for (let i = 0; i < this.#choice.workers; i++) this.#boot(null);
      this.#starter.resume();
    });
  }

  // ---- What reaches the log ----

  #happened({ proc, site, args, result }: Effect): void {
    if (site !== "append") return;
    const write = args[0] as LogWrite;
    for (const run of write.runs) this.#appended(proc, run, result as WriteVerdict);
  }

  #appended(proc: SimulatedProcess, { runId, epoch, firstSeq, events, row }: RunAppend, verdict: WriteVerdict): void {
    const head = verdict.runs.get(runId);
    const last = firstSeq + events.length - 1;
    if (head?.epoch !== epoch || head.head < last) return;
    this.#runId = runId;
    events.forEach((event, i) => {
      if (firstSeq + i <= this.#toldSeq) return;
      this.#toldSeq = firstSeq + i;
      this.#writtenAt = this.#simulation.agenda.now;
      this.#story.recorded(proc.name, event);
      this.#count(event);
    });
    if (row.kind !== "move" || !row.release) return;
    const { status, availableAt, stuck } = row;
    if (status === "stuck") {
      const { code, message } = JSON.parse(stuck ?? "{}") as { code: string; message: string };
      this.#failure ??= { kind: `stuck ${code}`, what: message };
    }
    const { agenda } = this.#simulation;
    if (status === "waiting" && availableAt !== null && availableAt - agenda.now > DOZE_MS) {
      agenda.after(1_000, () => void this.#doze(runId, availableAt));
    }
  }

  #count({ type, key, attempt }: RunAppend["events"][number]): void {
    if (key === null || attempt === null) return;
    const step = this.#steps.get(key) ?? { attempts: 0, interrupted: 0 };
    if (type === "attempt.started") {
      step.attempts++;
      this.#nemesis.attemptBegan(attempt);
    } else if (type === "attempt.interrupted") step.interrupted++;
    this.#steps.set(key, step);
  }

  // ---- The end ----

  report(): LifeReport {
    const { checker, agenda, trace } = this.#simulation;
    for (const { at, what } of this.#story.lines) trace.add(at, what);
    return {
      choice: this.#choice,
      failure: this.#failure,
      status: this.#status,
      faults: this.#nemesis.happened,
      story: this.#story.lines,
      crashes: this.#crashes,
      steps: this.#steps,
      looks: checker.looks,
      virtualMs: agenda.now - this.#beganAt,
      hash: trace.hash,
    };
  }
}
