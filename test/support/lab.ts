/**
 * A place to run workflows in: one log, engines that can be killed, a clock that is moved by hand.
 *
 * An engine is killed by cutting it off from its log: what it sends is lost, what it awaits never comes, and what its
 * bodies do after that is counted as done by the dead.
 */
import type { Workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { type EventRow, parseEvent, type RunEvent } from "../../src/kernel/events.ts";
import { violations } from "../../src/kernel/invariants.ts";
import type { Limits } from "../../src/kernel/limits.ts";
import type { Outbound } from "../../src/kernel/ports.ts";
import type { Queues } from "../../src/kernel/queues.ts";
import type { ResumeOptions } from "../../src/kernel/resume.ts";
import type { CallKind } from "../../src/kernel/state.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { RunRow } from "../../src/log/port-runs.ts";
import type { LogWrite } from "../../src/log/port-write.ts";
import type { NotifyEndpoint } from "../../src/outgoing/notify.ts";
import type { ScheduleDefinition } from "../../src/scheduler/definition.ts";
import type { ScheduleTimes } from "../../src/scheduler/spec.ts";
import { SITES } from "../../src/testing/store.ts";
import type { Hook } from "../../src/triggers/hook.ts";
import type { SecretResolver } from "../../src/triggers/secrets.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { type LogLine, type ManualClock, manualClock, seededRandom } from "./ports.ts";

export const LEASE_MS = 15_000;

/** When an engine dies: at its n-th append, before it has an effect, or after it and before the reply. */
export interface Death {
  readonly append: number;
  readonly moment: "before" | "after";
}

export interface LabEngine extends Engine {
  /** Kills it now. */
  kill(): void;
  readonly isDead: boolean;
  /** How many appends it has sent. */
  readonly appends: number;
  readonly lines: readonly LogLine[];
  /** The calls that its code has made, in order: `kind key`. */
  readonly asked: readonly string[];
  /** The same of one run. */
  askedBy(runId: string): readonly string[];
}

export interface EngineSetup {
  readonly workflows: readonly Workflow<never, unknown, never, never>[];
  readonly env?: unknown;
  readonly limits?: Partial<Limits>;
  readonly queues?: Queues;
  readonly worker?: WorkerOptions | false;
  readonly hooks?: readonly Hook[];
  readonly notify?: readonly NotifyEndpoint[];
  readonly outbound?: Outbound;
  readonly secrets?: SecretResolver;
  readonly resume?: ResumeOptions;
  readonly schedules?: readonly ScheduleDefinition[];
  readonly times?: ScheduleTimes;
  /** Decides its ids and its jitter. @default another one for each engine */
  readonly seed?: number;
  readonly dies?: Death;
  /** Sees each write before it is sent. */
  readonly onAppend?: (write: LogWrite) => void | Promise<void>;
}

export interface Lab {
  readonly clock: ManualClock;
  readonly store: LogStore;
  engine(setup: EngineSetup): Promise<LabEngine>;
  /** Whether the log holds a completion of this step, at this very moment. */
  isCompleted(runId: string, key: string): boolean;
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>;
  /** Lets time pass in steps, and everything happen that becomes due. */
  pass(ms: number, stepMs?: number): Promise<void>;
  /** The rows of a workflow's runs, read past any engine. */
  rows(workflow: string): Promise<RunRow[]>;
  /** One run's events. */
  history(runId: string): Promise<RunEvent[]>;
  /** One run's events as short texts. */
  story(runId: string): Promise<string[]>;
}

let seed = 1;

export function openLab(): Lab {
  const clock = manualClock();
  const store = memoryStore(clock);
  const completed = new Set<string>();
  const append = store.append.bind(store);
  store.append = async (write) => {
    const verdict = await append(write);
    for (const { runId, epoch, firstSeq, events } of write.runs) {
      const row = verdict.runs.get(runId);
      if (row?.epoch !== epoch || row.head !== firstSeq + events.length - 1) continue;
      for (const { type, key } of events) if (type === "step.completed") completed.add(`${runId} ${key}`);
    }
    return verdict;
  };
  const lab: Lab = {
    clock,
    store,
    isCompleted: (runId, key) => completed.has(`${runId} ${key}`),
    engine: async (setup) => {
      return await openEngine(lab, setup);
    },
    settle: async () => {
      // Long enough for chains of rounds: each takes one macrotask.
      for (let quiet = 0; quiet < 40; quiet++) await new Promise<void>((resolve) => setImmediate(resolve));
    },
    pass: async (ms, stepMs = 250) => {
      for (let left = ms; left > 0; left -= stepMs) {
        await lab.settle();
        clock.advance(Math.min(stepMs, left));
      }
      await lab.settle();
    },
    rows: async (workflow) => await store.listRuns({ workflow }, { before: null, limit: 100 }),
    history: async (runId) => {
      const rows: EventRow[] = [];
      for (;;) {
        const page = await store.readHistory(runId, { afterSeq: rows.length, limit: 1_000 });
        rows.push(...page);
        if (page.length < 1_000) break;
      }
      const history = rows.map(parseEvent);
      const broken = violations(history);
      if (broken.length > 0) throw new Error(`the history of ${runId} is not well-formed: ${JSON.stringify(broken)}`);
      return history;
    },
    story: async (runId) =>
      (await lab.history(runId)).map(({ type, key, attempt }) =>
        [type, key, attempt === null ? null : `#${attempt}`].filter((part) => part !== null).join(" "),
      ),
  };
  return lab;
}

async function openEngine(lab: Lab, setup: EngineSetup): Promise<LabEngine> {
  const lines: LogLine[] = [];
  const asked: { readonly runId: string; readonly call: string }[] = [];
  const life = { isDead: false, appends: 0 };
  const store = mortal(lab.store, life, setup);
  const ports = {
    clock: lab.clock,
    drain: (fn: () => void) => void setImmediate(fn),
    random: seededRandom(setup.seed ?? seed++),
    logger: {
      log: (level: LogLine["level"], message: string, fields: LogLine["fields"]) => {
        if (!life.isDead) lines.push({ level, message, fields });
      },
    },
  };
  const engine = await createEngineOf({
    store,
    ports,
    workflows: setup.workflows,
    hooks: setup.hooks ?? [],
    ...(setup.notify === undefined ? {} : { notify: setup.notify }),
    ...(setup.outbound === undefined ? {} : { outbound: setup.outbound }),
    ...(setup.secrets === undefined ? {} : { secrets: setup.secrets }),
    env: setup.env,
    limits: setup.limits ?? {},
    queues: setup.queues ?? {},
    ...(setup.resume === undefined ? {} : { resume: setup.resume }),
    ...(setup.schedules === undefined ? {} : { schedules: setup.schedules }),
    ...(setup.times === undefined ? {} : { times: setup.times }),
    asked: (runId: string, key: string, kind: CallKind) => asked.push({ runId, call: `${kind} ${key}` }),
  });
  if (setup.worker !== false) await engine.work({ leaseMs: LEASE_MS, ...setup.worker });
  const kill = () => {
    life.isDead = true;
  };
  return Object.defineProperties(engine, {
    kill: { value: kill },
    lines: { value: lines },
    asked: { get: () => asked.map(({ call }) => call) },
    askedBy: { value: (id: string) => asked.filter(({ runId }) => runId === id).map(({ call }) => call) },
    isDead: { get: () => life.isDead },
    appends: { get: () => life.appends },
  }) as LabEngine;
}

const never = () => new Promise<never>(() => {});

/** The log as an engine sees it that may die. */
function mortal(store: LogStore, life: { isDead: boolean; appends: number }, setup: EngineSetup): LogStore {
  const guard = <Args extends unknown[], R>(call: (...args: Args) => Promise<R>) => {
    return async (...args: Args): Promise<R> => {
      if (life.isDead) return await never();
      const result = await call(...args);
      return life.isDead ? await never() : result;
    };
  };
  const guarded = Object.fromEntries(
    SITES.map((site) => [
      site,
      guard((...args: never[]) => (store[site] as (...args: never[]) => Promise<unknown>)(...args)),
    ]),
  ) as unknown as LogStore;
  const append = guard(async (write: LogWrite) => {
    life.appends++;
    await setup.onAppend?.(write);
    const isLast = setup.dies?.append === life.appends;
    if (isLast && setup.dies?.moment === "before") {
      life.isDead = true;
      return await never();
    }
    const verdict = await store.append(write);
    if (isLast) {
      life.isDead = true;
      return await never();
    }
    return verdict;
  });
  return { ...guarded, exclusive: store.exclusive, localClock: store.localClock, append, close: async () => {} };
}
