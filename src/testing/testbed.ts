/**
 * What a test engine stands on: a simulation of which one process lives at a time, and owns the log as a process owns its
 * file. So what a call brings about happens at once, and a successor takes over at once.
 *
 * Owns: the processes, the bodies in them, and why a test cannot go on. Called by the test engine.
 *
 * I1 Time is the pace's to move (`pace.ts`). It stands still while a process comes up, and while a body does what takes real
 *    time, unless one waits for the world.
 * I2 The engine is held to its promises by the simulation's checker, as in every simulation.
 */
import type { StepContext } from "../ctx/step-options.ts";
import type { WorkerHandle } from "../engine/api.ts";
import type { RunHandle } from "../engine/api-run.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError, VarveError } from "../kernel/errors.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import { memoryStore } from "../log/memory.ts";
import type { LogStore } from "../log/port.ts";
import type { LogWrite } from "../log/port-write.ts";
import { scheduleTimes } from "../scheduler/times.ts";
import type { WorkerOptions } from "../worker/options.ts";
import { Calls } from "./calls.ts";
import { CrashPoints } from "./crash-points.ts";
import { type InVainParts, inVain } from "./in-vain.ts";
import { brokenText } from "./judgement.ts";
import type { MockedBodyInProcess, StepMock } from "./mock.ts";
import { Mocks } from "./mocks.ts";
import { Pace } from "./pace.ts";
import type { LoggedLine, SimulatedProcess } from "./process.ts";
import { replayRows } from "./replay-history.ts";
import { type Incarnation, Simulation } from "./simulation.ts";
import { Succession } from "./succession.ts";
import type { TestPlan } from "./test-engine-options.ts";
import type { BodyMoment } from "./trouble.ts";
import { type WatchedBody, watched } from "./watched.ts";
import { type BodyTime, type StrandedBody, World } from "./world.ts";

type ResultOptions = NonNullable<Parameters<RunHandle["result"]>[0]>;

export class Testbed {
  readonly calls = new Calls();
  readonly mocks: Mocks;
  readonly pace: Pace;
  readonly succession: Succession;
  readonly world: World;
  readonly #plan: TestPlan;
  readonly #simulation: Simulation;
  readonly #crashPoints: CrashPoints;
  /** Runs whose history was replayed, as they ended. */
  readonly #replayed = new Set<string>();
  #env: unknown;
  #present: Incarnation | null = null;
  #crashes = 0;
  /** What the test did wrong, or why no process comes up. */
  #failure: Error | null = null;
  #isClosing = false;

  /** @throws DefinitionError `TEST_INVALID` */
  constructor(plan: TestPlan) {
    this.#plan = plan;
    this.mocks = new Mocks(plan.steps);
    this.#crashPoints = new CrashPoints(plan.crashes, () => this.#kill());
    this.#simulation = new Simulation({
      seed: `test ${plan.seed}`,
      startsAt: plan.startsAt,
      isExact: true,
      exclusive: true,
      latencyMsMax: 0,
      store: (clock) => this.#crashPoints.around(memoryStore(clock)),
      happened: ({ site, args }) => {
        if (site === "append") this.#crashPoints.written(args[0] as LogWrite);
      },
      up: (engine) => {
        this.succession.begins(engine);
        this.pace.wake();
      },
      died: (proc, error) => this.#died(proc, error),
    });
    this.pace = new Pace(this.#simulation.agenda, {
      keeper: () => this.#keeper(),
      failure: () => this.#whyNot(),
    });
    this.succession = new Succession(
      (answer) => this.pace.during(answer),
      (id) => ({ result: (options) => this.#result(id, options) }),
    );
    const host = {
      simulation: this.#simulation,
      reached: (_: SimulatedProcess, moment: BodyMoment, bodies: readonly WatchedBody[]) =>
        this.#crashPoints.atBody(moment, bodies),
      tell: () => {},
    };
    this.world = new World(host, plan.seed);
  }

  get now(): number {
    return this.#simulation.agenda.now;
  }

  get crashes(): number {
    return this.#crashes;
  }

  get lines(): readonly LoggedLine[] {
    return this.#simulation.incarnations.flatMap(({ proc }) => proc.lines);
  }

  // ---- Processes ----

  /** Resolves when the first process is up. */
  async open(): Promise<void> {
    const { env } = this.#plan;
    this.#env = typeof env === "function" ? await env(this.world.sim) : env;
    this.#boot();
    await this.#up();
  }

  /** Resolves when a process is up, and what it finds to do has happened. */
  async #up(): Promise<void> {
    await this.pace.during(this.succession.ask(async () => {}, true));
  }

  #boot(): void {
    const { workflows, hooks, secrets, limits, queues, schedules, messages } = this.#plan;
    this.#present = this.#simulation.boot({
      workflows: (proc) =>
        workflows.map((workflow) =>
          watched(workflow, {
            body: (body, run, step) => this.#body(proc, body, run, step),
            given: (runId, key, value) => this.#simulation.checker.given(proc, runId, key, value),
          }),
        ),
      env: () => this.#env,
      asked: (_, key, kind) => this.mocks.asked(key, kind),
      times: scheduleTimes,
      ...(hooks === undefined ? {} : { hooks: () => hooks }),
      ...(secrets === undefined ? {} : { secrets }),
      ...(limits === undefined ? {} : { limits }),
      ...(queues === undefined ? {} : { queues }),
      ...(schedules === undefined ? {} : { schedules }),
      ...(messages === undefined ? {} : { messages }),
    });
  }

  /** The process dies now, and another takes over at the same instant. */
  async crash(): Promise<void> {
    this.#kill();
    await this.#up();
  }

  #kill(): void {
    if (this.#present !== null) this.#simulation.crash(this.#present.proc);
  }

  /** Another worker in the process that lives, which knows its workers by its own name. */
  work(options: WorkerOptions | undefined): Promise<WorkerHandle> {
    const label = this.#present?.proc.name ?? "";
    return this.pace.during(this.succession.ask((engine) => engine.work({ ...options, label }), false));
  }

  #died(proc: SimulatedProcess, error: unknown): void {
    this.world.died(proc);
    this.succession.dies();
    if (error !== null) this.succession.fails(error);
    else {
      this.#crashes++;
      this.#boot();
    }
  }

  // ---- Bodies ----

  #body(proc: SimulatedProcess, body: WatchedBody, run: () => unknown, step: StepContext): unknown {
    const mock = this.#mockOf(body.key);
    const end = this.world.body(proc, body, (own) => {
      // The test is told, and the step's own body must not run.
      if (mock === "missing") return own.hang();
      if (mock === null) own.real();
      const act = mock === null ? run : () => mock(step as StepContext<never>, insteadOf(run, step, own));
      return this.calls.run(step, this.now, mock !== null, act);
    });
    const wake = () => this.pace.wake();
    Promise.resolve(end).then(wake, wake);
    return end;
  }

  #mockOf(key: string): StepMock<never> | "missing" | null {
    try {
      return this.mocks.of(key);
    } catch (error) {
      this.#failure ??= error as Error;
      return "missing";
    }
  }

  // ---- Time ----

  #keeper(): "work" | Error | null {
    if (this.#isClosing) return null;
    if (this.#present?.engine === null) return "work";
    const { stranded } = this.world;
    const [body] = stranded;
    if (body === undefined) return null;
    return stranded.some(({ isReal }) => isReal) ? "work" : mockPending(body);
  }

  #whyNot(): Error | null {
    const [broken] = this.#simulation.checker.failures;
    if (broken !== undefined) return new VarveError("TEST_PROMISE_BROKEN", brokenText(broken), { ...broken });
    return this.#failure;
  }

  // ---- Runs ----

  /** What a run comes to. Time passes until it has ended. */
  async #result(runId: string, options: ResultOptions = {}): Promise<never> {
    const { timeout, signal } = options;
    const giveUpAt = timeout === undefined ? null : this.now + parseDuration(timeout);
    const controller = new AbortController();
    const abort = (reason: unknown) => controller.abort(reason);
    const forward = () => abort(signal?.reason);
    if (signal?.aborted === true) forward();
    signal?.addEventListener("abort", forward);
    const stop = this.pace.letPass((why) => void inVain(this.parts, runId, why).then(abort, abort));
    try {
      return await this.succession.ask((engine) => {
        const left: { timeout?: Duration } = giveUpAt === null ? {} : { timeout: Math.max(0, giveUpAt - this.now) };
        return engine.run(runId).result({ ...left, signal: controller.signal }) as Promise<never>;
      }, true);
    } finally {
      stop();
      signal?.removeEventListener("abort", forward);
      await this.pace.quiet();
      await this.#checkReplay(runId);
    }
  }

  get parts(): InVainParts {
    return { log: this.#log, workflows: this.#plan.workflows };
  }

  get #log(): LogStore {
    return this.#simulation.truth;
  }

  /** A run that has ended goes the same way again, or its code is not repeatable. */
  async #checkReplay(runId: string): Promise<void> {
    const row = await this.#log.getRun(runId);
    if (!this.#plan.replays || row === null || !isTerminalStatus(row.status)) return;
    const ending = `${runId} ${row.head}`;
    if (this.#replayed.has(ending)) return;
    this.#replayed.add(ending);
    const workflow = this.#plan.workflows.find(({ name, version }) => name === row.workflow && version === row.version);
    const [created, ...others] = await this.#log.readHistory(runId, { afterSeq: 0, limit: row.head });
    if (workflow !== undefined && created !== undefined) await replayRows(workflow, [created, ...others]);
  }

  // ---- The end ----

  async close(options: { readonly deadline?: Duration } | undefined): Promise<void> {
    this.#isClosing = true;
    // Bodies that hang are waited for until the deadline.
    const stop = this.pace.letPass(() => {});
    try {
      if (this.#whyNot() === null) await this.succession.ask((engine) => engine.close(options), true);
    } finally {
      stop();
      this.world.end();
    }
    await this.pace.quiet();
    if (!this.#plan.allowsUnused) this.mocks.checkUsed();
    const ids = await this.#log.listLoggedRuns({ before: null, limit: Number.MAX_SAFE_INTEGER });
    for (const id of ids.reverse()) await this.#checkReplay(id);
  }
}

function insteadOf(run: () => unknown, step: StepContext, own: BodyTime): MockedBodyInProcess {
  return {
    body: async () => {
      own.real();
      return await run();
    },
    wait: (duration) => own.wait(duration),
    hang: () => Promise.race([own.hang(), aborted(step.signal)]),
    real: () => own.real(),
    died: (fn) => own.died(fn),
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason));
  });
}

function mockPending({ key, attempt }: StrandedBody): DefinitionError {
  return new DefinitionError(
    "TEST_MOCK_PENDING",
    `expected the mock of step "${key}" to end by itself or to wait in virtual time, but found it waiting for something else in ` +
      `attempt ${attempt}: hold it by held(), let it hang by hangs(), let it take virtual time by takes(duration), or say by ` +
      "realTime(mock) that it takes real time",
    { step: key, attempt },
  );
}
