/**
 * One simulated run: workers on one log, a user's world, what the seed makes go wrong, and the judgement at the end.
 *
 * I1 Everything is decided by seed, workers and the choice of faults: the same life again comes to the same.
 */
import type { Workflow } from "../ctx/workflow.ts";
import { StoreError } from "../kernel/errors.ts";
import type { LogWrite, RunAppend, WriteVerdict } from "../log/port-write.ts";
import { macrotask } from "./agenda.ts";
import { aheadOf } from "./ahead.ts";
import { judge, type LifeFailure } from "./judgement.ts";
import type { MessageCounts } from "./message-book.ts";
import { type Harm, Nemesis } from "./nemesis.ts";
import { Nights } from "./nights.ts";
import { realTimeError, unfinishedText } from "./no-end.ts";
import { Outside } from "./outside.ts";
import type { SimulatedProcess } from "./process.ts";
import { type CheckedCase, checkCase, type Plan, type SimulatedRun } from "./simulate-options.ts";
import { Simulation } from "./simulation.ts";
import type { Effect } from "./store.ts";
import { Story, type StoryLine } from "./story.ts";
import type { HappenedFault, SimulatedFault } from "./trouble.ts";
import { type WatchedBody, watched } from "./watched.ts";
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
  /** How the runs ended. */
  readonly statuses: readonly SimulatedRun["status"][];
  readonly faults: readonly HappenedFault[];
  readonly story: readonly StoryLine[];
  readonly crashes: number;
  /** Bodies that began, by step, and of how many nobody knows how far they came. */
  readonly steps: ReadonlyMap<string, { readonly attempts: number; readonly interrupted: number }>;
  /** By schedule: what became of its instants. */
  readonly schedules: Simulation["checker"]["instants"];
  readonly messages: MessageCounts;
  readonly looks: Simulation["checker"]["looks"];
  readonly virtualMs: number;
  readonly hash: string;
}

type AnyWorkflow = Workflow<never, unknown, never, never>;

/** A process that died is replaced after so long at most. */
const REPLACED_MS_MAX = 2_000;

/** When nothing has moved for so long, nothing will: no lease, pause or answer takes as long. */
const STALL_MS = 300_000;

/** The most that one life may take: a run that never ends is told from one that takes its time. */
const TASKS_MAX = 1_000_000;

/** A late request arrives at most so long after it was sent. */
const LATE_MS = 75_000;

/** How often it is looked whether everything that comes from outside has come to its end. */
const LOOK_MS = 2_000;

const LATE_FAULTS: ReadonlySet<SimulatedFault> = new Set<SimulatedFault>(["late-request", "repeated-request"]);

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
  readonly #nights: Nights;
  readonly #beganAt: number;
  readonly #worker: { readonly leaseMs: number; readonly hotRunsMax: number; readonly parkAfterMs: number };
  readonly #steps = new Map<string, { attempts: number; interrupted: number }>();
  #case: CheckedCase = { env: undefined, start: null, publications: [] };
  #outside: Outside;
  /** One run is all that there is: nothing else comes from outside. */
  #isAlone = true;
  /** Nothing is ahead, and nothing else can come from outside. */
  #isAtRest = false;
  /** Until when late requests may come in. */
  #lateUntil = 0;
  #crashes = 0;
  #writtenAt = 0;
  /** What an engine refused, which is no matter of the simulation. */
  #refusal: { readonly error: unknown } | null = null;
  #failure: LifeFailure | null = null;
  #statuses: readonly SimulatedRun["status"][] = [];
  #messages: MessageCounts = {};

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
      happened: ({ what, fault }) => {
        this.#story.tell(null, `>> ${what}`);
        if (LATE_FAULTS.has(fault)) this.#lateUntil = this.#simulation.agenda.now + LATE_MS;
      },
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
    this.#outside = this.#outsideOf(this.#case);
    this.#beganAt = agenda.now;
    this.#writtenAt = agenda.now;
    this.#story = new Story(agenda);
    this.#nights = new Nights(this.#simulation, {
      isOver: () => this.#isOver(),
      falls: (why) => {
        this.#outside.pause();
        this.#story.tell(null, `all processes are stopped while ${why}`);
      },
      ends: () => this.#morning(),
    });
    this.#world = new World(
      {
        simulation: this.#simulation,
        reached: (proc, moment, bodies) => {
          const steps = bodies.map(({ key }) => key);
          this.#harm(proc, this.#nemesis.atBody(proc.name, moment, steps));
        },
        tell: (proc, { runId }, what) => this.#story.tellOf(runId, proc.name, what),
      },
      choice.seed,
    );
  }

  // ---- What happens ----

  async run(): Promise<void> {
    this.#case = checkCase(await this.#plan.setup(this.#world.sim), this.#plan);
    this.#outside = this.#outsideOf(this.#case);
    const { others, timetables } = this.#plan;
    this.#isAlone = others.length + timetables.instants.length + this.#case.publications.length === 0;
    for (let i = 0; i < this.#choice.workers; i++) this.#boot(null);
    this.#outside.begin();
    this.#planHarm();
    if (!this.#isAlone) {
      this.#story.nameRuns();
      this.#lookAhead();
    }
    await this.#untilOver();
    if (this.#refusal !== null) throw this.#refusal.error;
    // Late requests may still be on their way, and must change nothing.
    if (this.#isAlone && this.#failure === null && this.#lateUntil > 0) await this.#simulation.run(LATE_MS);
    this.#world.end();
    if (this.#failure === null) await this.#judge();
  }

  async #judge(): Promise<void> {
    const { checker } = this.#simulation;
    checker.decidesAll(this.#beganAt + this.#plan.lastsMs);
    const judged = { workflow: this.#workflow.name, ...this.#case };
    const { failure, statuses } = await judge(this.#simulation, judged);
    this.#failure = failure;
    this.#statuses = statuses;
    this.#messages = await checker.messageCounts();
  }

  #outsideOf({ start, publications }: CheckedCase): Outside {
    const { lastsMs } = this.#plan;
    const refused = (error: unknown) => {
      this.#refusal = { error };
    };
    return new Outside(this.#simulation, { workflow: this.#workflow.name, start, publications, lastsMs, refused });
  }

  async #untilOver(): Promise<void> {
    const isOver = () => this.#isOver() || this.#world.stranded.length > 0 || this.#isStalled();
    for (;;) {
      const isAlive = await this.#simulation.run(Number.POSITIVE_INFINITY, isOver);
      if (this.#isOver() || this.#simulation.checker.hasFailed) return;
      if (this.#world.stranded.length > 0) await this.#strand();
      else if (!isAlive || this.#isStalled()) {
        this.#failure = { kind: "unfinished", what: await this.#whyUnfinished() };
        return;
      }
    }
  }

  #isOver(): boolean {
    const { checker } = this.#simulation;
    if (this.#failure !== null || this.#refusal !== null) return true;
    if (!this.#isAlone) return this.#isAtRest;
    return this.#outside.isDone && checker.ended + checker.poisoned.size === checker.runIds.length;
  }

  /** Looks now and then whether anything is ahead, and lets the time pass until it comes. */
  #lookAhead(): void {
    this.#simulation.agenda.after(LOOK_MS, async () => {
      await this.#look();
      if (!this.#isOver() && !this.#nights.isNight) this.#lookAhead();
    });
  }

  async #look(): Promise<void> {
    const { length: schedules } = this.#plan.timetables.definitions;
    const parts = { outside: this.#outside, schedules, lateUntil: this.#lateUntil };
    const ahead = await aheadOf(this.#simulation, parts);
    if (ahead.kind === "nothing") this.#isAtRest = true;
    if (ahead.kind === "due" && this.#nights.isBefore(ahead.at)) this.#nights.fall(ahead.at, "nothing is due");
  }

  #isStalled(): boolean {
    const { agenda } = this.#simulation;
    if (agenda.count > TASKS_MAX) return true;
    const movedAt = Math.max(this.#writtenAt, this.#world.movedAt);
    return agenda.now - movedAt > STALL_MS && !this.#nights.isNight && !this.#world.isMoving;
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
    throw realTimeError(this.#world.stranded[0] as WatchedBody, this.#choice.seed);
  }

  #whyUnfinished(): Promise<string> {
    const { running } = this.#world;
    const about = { simulation: this.#simulation, story: this.#story, beganAt: this.#beganAt };
    return unfinishedText({ ...about, running, isAlone: this.#isAlone });
  }

  // ---- Processes ----

  #boot(before: SimulatedProcess | null): void {
    const name = `p${this.#simulation.incarnations.length + 1}`;
    const skewMs = this.#nemesis.clockOf(name);
    this.#story.tell(name, before === null ? "starts" : `starts in place of ${before.name}`);
    const { env } = this.#case;
    const { queues, limits, others, timetables } = this.#plan;
    this.#simulation.boot({
      workflows: (proc) =>
        [this.#workflow, ...others].map((workflow) =>
          watched(workflow, {
            body: (body, run) => this.#world.body(proc, body, run),
            given: (runId, key, value) => this.#simulation.checker.given(proc, runId, key, value),
          }),
        ),
      env: () => env,
      ...(timetables.definitions.length === 0 ? {} : { schedules: timetables.definitions }),
      ...(queues === undefined ? {} : { queues }),
      ...(limits === undefined ? {} : { limits }),
      worker: this.#worker,
      skewMs,
    });
  }

  #planHarm(): void {
    const { agenda } = this.#simulation;
    for (const planned of this.#nemesis.planned(this.#moments)) {
      agenda.after(planned.afterMs, () => {
        const { alive } = this.#simulation;
        const victim = alive[Math.floor(planned.victim * alive.length)];
        if (victim === undefined || this.#isOver() || !this.#nemesis.hits(planned, victim.proc.name)) return;
        this.#harm(victim.proc, planned.harm);
      });
    }
  }

  /** When something comes from outside, milliseconds after the beginning. */
  get #moments(): readonly number[] {
    return [...this.#plan.timetables.instants, ...this.#outside.moments];
  }

  #harm(proc: SimulatedProcess, harm: Harm | null): void {
    if (harm?.kind === "crash") this.#simulation.crash(proc);
    else if (harm?.kind === "pause") proc.pause(harm.ms);
  }

  #died(proc: SimulatedProcess, error: unknown): void {
    this.#world.died(proc);
    if (this.#nights.isNight) return;
    // A database that cannot now can later. What is defined wrongly is wrong in every process.
    if (error !== null && !(error instanceof StoreError)) this.#refusal = { error };
    if (error === null) this.#crashes++;
    else this.#story.tell(proc.name, `exits, because it cannot begin to work: ${String(error)}`);
    const { agenda, prng } = this.#simulation;
    agenda.after(prng.stream(`replace/${proc.name}`).float() * REPLACED_MS_MAX, () => {
      if (!this.#nights.isNight) this.#boot(proc);
    });
  }

  #morning(): void {
    this.#writtenAt = this.#simulation.agenda.now;
    for (let i = 0; i < this.#choice.workers; i++) this.#boot(null);
    this.#outside.resume();
    if (!this.#isAlone) this.#lookAhead();
  }

  // ---- What reaches the log ----

  #happened(effect: Effect): void {
    if (this.#story.happened(effect)) this.#writtenAt = this.#simulation.agenda.now;
    const { proc, site, args, result } = effect;
    if (site !== "append") return;
    const write = args[0] as LogWrite;
    for (const run of write.runs) this.#appended(proc, run, result as WriteVerdict);
  }

  #appended(proc: SimulatedProcess, { runId, epoch, firstSeq, events, row }: RunAppend, verdict: WriteVerdict): void {
    const head = verdict.runs.get(runId);
    const last = firstSeq + events.length - 1;
    if (head?.epoch !== epoch || head.head < last) return;
    events.forEach((event, i) => {
      if (!this.#story.recorded(proc.name, runId, firstSeq + i, event)) return;
      this.#writtenAt = this.#simulation.agenda.now;
      this.#count(event);
    });
    if (row.kind !== "move" || !row.release) return;
    const { status, availableAt, stuck } = row;
    if (status === "stuck") {
      const { code, message } = JSON.parse(stuck ?? "{}") as { code: string; message: string };
      this.#failure ??= { kind: `stuck ${code}`, what: message };
    }
    if (this.#isAlone && status === "waiting" && availableAt !== null && this.#nights.isBefore(availableAt)) {
      this.#simulation.agenda.after(1_000, () => void this.#nights.fallWith(runId, availableAt));
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
      statuses: this.#statuses,
      faults: this.#nemesis.happened,
      story: this.#story.lines,
      crashes: this.#crashes,
      steps: this.#steps,
      schedules: checker.instants,
      messages: this.#messages,
      looks: checker.looks,
      virtualMs: agenda.now - this.#beganAt,
      hash: trace.hash,
    };
  }
}
