/**
 * Small worlds of runs that do not run by themselves: others tell them something, hold them and end them, they start runs of
 * their own, they shield and undo what they do, and they are retried.
 */
import type { Ctx } from "../../src/ctx/ctx.ts";
import type { StepContext } from "../../src/ctx/step-options.ts";
import { type Workflow, withEnv } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import type { RunHandle } from "../../src/engine/api-run.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { SimulatedProcess } from "../../src/testing/process.ts";
import type { Simulation, SimulationOptions } from "../../src/testing/simulation.ts";
import { expectShieldsHeld, expectUndone } from "../sim/afterwards.ts";
import { doTo, type Deed as Told } from "../sim/deeds.ts";
import { type Deed, perform } from "./play.ts";

/** What a world may be given: another log than that in memory. */
interface Surroundings {
  readonly store?: NonNullable<SimulationOptions["store"]>;
}

export const TOGETHER = {
  signals,
  families,
  "long-families": longFamilies,
  control,
  sagas,
  "sagas-beside": sagasBeside,
  retries,
} as const;

const over = ({ store }: Surroundings) => (store === undefined ? {} : { store });

type Code<Input> = (ctx: Ctx, input: Input) => Promise<unknown>;

/** Crashes of its process count as attempts, and there are many. */
const RETRY = { attempts: "unlimited", backoff: "fixed", initial: 300, jitter: "none" } as const;

function code<Input>(name: string, run: Code<Input>): Workflow<never, unknown, never, never> {
  return withEnv<unknown>().workflow({ name }, run) as Workflow<never, unknown, never, never>;
}

/** A body that takes `ms` in a process, and of which so many attempts fail. */
function body(sim: Simulation, proc: SimulatedProcess, ms: number, fails = 0) {
  return async ({ key, attempt, signal, run: { id: runId } }: StepContext): Promise<string> => {
    const end = sim.checker.bodyStarts(proc, { runId, key, attempt, signal });
    await new Promise<void>((resolve) => proc.after(ms, resolve));
    end();
    if (attempt <= fails) throw new Error("not yet");
    return key;
  };
}

/** Starts a run, or finds it. */
const start = (workflow: string, idempotencyKey: string, input: unknown) => async (engine: Engine) =>
  (await engine.start(workflow, input, { idempotencyKey })) as RunHandle;

/** Does something to a run, or finds it over. */
const tell = (run: (engine: Engine) => Promise<RunHandle>, told: Told) => async (engine: Engine) =>
  void (await doTo(await run(engine), told));

/** A process dies, or stands still for about as long as a lease. */
function troubles(sim: Simulation, count: number, untilMs: number, what: "crash" | "pause"): Deed[] {
  return Array.from({ length: count }, (_, i) => ({
    atMs: sim.prng.int(500, untilMs),
    do: async () => {
      const chance = sim.prng.stream(`${what} ${i}`);
      const { proc } = chance.pick(sim.alive);
      if (what === "crash") sim.crash(proc);
      else proc.pause(chance.int(1_500, 4_500));
    },
  }));
}

/** The runs that nobody else has started have completed; those of `mayBeCancelled` may be cancelled as well. */
function judgeRoots({ checker }: Simulation, mayBeCancelled: boolean): void {
  for (const runId of checker.runIds) {
    if (checker.poisoned.has(runId) || checker.history(runId)[0]?.data?.includes('"parent"') === true) continue;
    const end = checker.endOf(runId)?.type;
    const isRight = end === "run.completed" || (mayBeCancelled && end === "run.cancelled");
    checker.expect("result-as-expected", isRight, () => `run ${runId} ended by ${end}`);
  }
}

/** Each of six signals is sent twice, at any time, to a run that waits now within a scope and now beside it. */
async function signals(seed: number): Promise<readonly Failure[]> {
  const run = start("listener", "listener", null);
  return await perform(`signals ${seed}`, {
    processes: 2,
    lastsMs: 240_000,
    options: { faults: { duplicate: 0.05, "lost-reply": 0.02 }, latencyMsMax: 20 },
    setup: () => ({
      worker: { leaseMs: 2_000, parkAfterMs: 0, hotRunsMax: seed % 2 },
      workflows: () => [
        code("listener", async (ctx) => {
          for (let i = 0; i < 6; i++) {
            if (i % 2 === 0) await ctx.scope("round", (inner) => inner.waitFor("go"));
            else await ctx.waitFor("go", { timeout: "5s" });
            await ctx.sleep("rest", (i % 3) * 700);
          }
          return null;
        }),
      ],
    }),
    deeds: (sim) => [
      { atMs: 0, do: run },
      ...Array.from({ length: 12 }, (_, i) => ({
        atMs: sim.prng.int(0, 60_000),
        do: tell(run, { do: "signal", name: "go", dedupeKey: `signal ${i % 6}` }),
      })),
      ...troubles(sim, 3, 60_000, "crash"),
    ],
    judge: (sim) => judgeRoots(sim, false),
  });
}

/** Children that are awaited, that lose races in scopes and beside them, and that are abandoned. */
async function families(seed: number, surroundings: Surroundings = {}): Promise<readonly Failure[]> {
  return await perform(`families ${seed}`, {
    processes: 3,
    lastsMs: 160_000,
    options: {
      faults: { duplicate: 0.03, "lost-reply": 0.02, "late-request": 0.03 },
      latencyMsMax: 20,
      ...over(surroundings),
    },
    setup: (sim) => ({
      worker: { leaseMs: 2_000, hotRunsMax: seed % 2, pollMsMax: 500 },
      workflows: (proc) => [
        code("kid", async (ctx, ms: number) => ctx.step("work", body(sim, proc, ms), { retry: RETRY })),
        code("sleeper", async (ctx, ms: number) => ctx.sleep("long", ms)),
        code("parent", async (ctx, lengths: readonly number[]) => {
          const kids = lengths.map((ms, i) => ctx.child("kid", ms, { key: `kid ${i}` }));
          await Promise.all([ctx.step("work", body(sim, proc, 100), { retry: RETRY }), ...kids]);
          const race = ctx.scope("race", async (inner) => {
            await Promise.race([inner.child("sleeper", 3_600_000), inner.sleep("patience", lengths[0] as number)]);
          });
          await race.catch(async (error: unknown) => {
            await ctx.shield("tidy", (shielded) => shielded.sleep("tidy", 300));
            throw error;
          });
          const abandoned = ctx.child("sleeper", 9_000, { key: "abandoned", onCancel: "abandon" });
          const left = ctx.child("sleeper", 3_600_000, { key: "left" });
          await Promise.race([abandoned, left, ctx.sleep("patience", 500)]);
          return null;
        }),
      ],
    }),
    deeds: (sim) => [
      ...["a", "b", "c", "d"].flatMap((name) => {
        const lengths = [1, 2, 3].map(() => sim.prng.pick([50, 700, 3_000, 3_000]));
        const run = start("parent", name, lengths);
        const isCancelled = sim.prng.chance(0.3);
        const cancel = { atMs: sim.prng.int(3_000, 20_000), do: tell(run, { do: "cancel" }) };
        return [{ atMs: sim.prng.int(0, 5_000), do: run }, ...(isCancelled ? [cancel] : [])];
      }),
      ...troubles(sim, 2, 30_000, "crash"),
      ...troubles(sim, 16, 30_000, "pause"),
    ],
    judge: (sim) => judgeRoots(sim, true),
  });
}

/** A run goes on to start others until its history is full. */
async function longFamilies(seed: number): Promise<readonly Failure[]> {
  return await perform(`long families ${seed}`, {
    processes: 1,
    lastsMs: 60_000,
    setup: () => ({
      limits: { historyEventsMax: 10 + (seed % 4) },
      workflows: () => [
        code("kid", async () => null),
        code("parent", async (ctx) => {
          for (;;) await Promise.all([ctx.child("kid", null), ctx.start("kid", null)]);
        }),
      ],
    }),
    deeds: () => [{ atMs: 0, do: start("parent", "parent", null) }],
  });
}

/** Runs are held, told things while they are held, and cancelled; what they shield goes on. */
async function control(seed: number, surroundings: Surroundings = {}): Promise<readonly Failure[]> {
  return await perform(`control ${seed}`, {
    processes: 2,
    lastsMs: 300_000,
    options: { latencyMsMax: 20, ...over(surroundings) },
    setup: (sim) => ({
      worker: { leaseMs: 2_000, parkAfterMs: 0, hotRunsMax: seed % 2 },
      workflows: (proc) => [code("held", (ctx) => held(ctx, (ms, fails) => body(sim, proc, ms, fails)))],
    }),
    deeds: (sim) => [
      ...["a", "b", "c", "d"].flatMap((name) => {
        const run = start("held", name, null);
        const pausedAt = sim.prng.int(1_000, 15_000);
        const isCancelled = sim.prng.chance(0.6);
        const shortAt = sim.prng.int(1_000, 15_000);
        const noise = { do: "signal", name: "noise", dedupeKey: name } as const;
        return [
          { atMs: sim.prng.int(0, 3_000), do: run },
          // Shorter than what is under way.
          { atMs: shortAt, do: tell(run, { do: "pause" }) },
          { atMs: shortAt + sim.prng.int(300, 900), do: tell(run, { do: "resume" }) },
          { atMs: pausedAt, do: tell(run, { do: "pause" }) },
          { atMs: pausedAt + 4_000, do: tell(run, noise) },
          { atMs: pausedAt + 9_000, do: tell(run, { do: "resume" }) },
          { atMs: pausedAt + 9_000 + sim.prng.int(0, 40), do: tell(run, { do: "pause" }) },
          { atMs: pausedAt + 14_000, do: tell(run, { do: "resume" }) },
          // Whoever was told of nothing asks again, and so a pause may come after that.
          { atMs: 90_000, do: tell(run, { do: "resume" }) },
          ...(isCancelled ? [{ atMs: sim.prng.int(2_000, 40_000), do: tell(run, { do: "cancel" }) }] : []),
        ];
      }),
      ...troubles(sim, 2, 40_000, "crash"),
    ],
    judge: (sim) => {
      judgeRoots(sim, true);
      for (const runId of sim.checker.runIds) {
        expectShieldsHeld(sim.checker, runId);
        expectTidied(sim, runId);
      }
    },
  });
}

async function held(ctx: Ctx, work: (ms: number, fails?: number) => (step: StepContext) => Promise<string>) {
  const retry = RETRY;
  // Nobody waits for it when the run is cancelled, but the run itself.
  const aside = ctx.shield("aside", async (shielded) => {
    await shielded.sleep("long", 5_000);
    await shielded.step("work", work(300), { retry });
  });
  aside.catch(() => {});
  try {
    for (let i = 0; i < 4; i++) {
      const steps = [ctx.step("work", work(1_500), { retry }), ctx.step("again", work(50, 2), { retry })];
      const fallback = (_: Error, step: StepContext) => work(50)(step);
      const spare = ctx.step("spare", work(700, 1), { retry: { attempts: 1 }, fallback });
      // A crash may end it for good.
      await Promise.all([...steps, spare.catch(() => null), ctx.sleep("nap", 700 * i)]);
    }
    await aside;
  } finally {
    await ctx.shield("tidy", async (shielded) => {
      await shielded.step("sweep", work(200), { retry });
      await shielded.sleep("pause", 500);
      await shielded.step("done", work(0), { retry });
    });
  }
}

/** Whoever has begun has put things in order, however it has ended. */
function expectTidied({ checker }: Simulation, runId: string): void {
  const calls = checker.calls(runId);
  const isRight = !calls.has("aside") || calls.get("tidy/done")?.outcome === "step.completed";
  checker.expect("shield-holds", isRight, () => `run ${runId} was told of its cancel and did not tidy up`);
}

/** Trips of which everything can be undone, and is, because each comes to nothing. */
async function sagas(seed: number): Promise<readonly Failure[]> {
  return await perform(`sagas ${seed}`, {
    processes: 2,
    lastsMs: 240_000,
    options: { latencyMsMax: 20 },
    setup: (sim) => ({
      worker: { leaseMs: 2_000, parkAfterMs: 0, hotRunsMax: seed % 2 },
      workflows: (proc) => [
        code("trip", async (ctx, lengths: readonly number[]) => {
          const leg = (inner: Ctx, name: string, ms: number) => {
            const compensate = (_: string, step: StepContext) => body(sim, proc, 20)(step);
            return inner.step(name, body(sim, proc, ms), { retry: RETRY, compensate });
          };
          await Promise.all(lengths.map((ms, i) => leg(ctx, `leg-${i}`, ms)));
          await ctx.scope("stay", async (inner) => leg(inner, "leg-hotel", 100));
          await ctx.sleep("rest", 1_500);
          if (seed % 3 === 0) await ctx.compensate();
          const refusal = () => Promise.reject(new Error("no"));
          await Promise.all([ctx.step("pay", refusal, { retry: { attempts: 1 } }), leg(ctx, "leg-home", 0)]);
        }),
      ],
    }),
    deeds: (sim) => [
      ...["a", "b", "c"].flatMap((name) => {
        const run = start(
          "trip",
          name,
          [1, 2, 3].map(() => sim.prng.pick([0, 100, 600])),
        );
        const isCancelled = sim.prng.chance(0.3);
        const cancel = { atMs: sim.prng.int(1_000, 6_000), do: tell(run, { do: "cancel" }) };
        return [{ atMs: sim.prng.int(0, 3_000), do: run }, ...(isCancelled ? [cancel] : [])];
      }),
      ...troubles(sim, 2, 8_000, "crash"),
    ],
    judge: ({ checker }) => {
      for (const runId of checker.runIds) expectUndone(checker, runId, (key) => /^(stay\/)?leg-/.test(key));
    },
  });
}

/**
 * Trips that come to nothing while parts of them are still under way, that call off within a scope what was done before, and
 * that are retried: then a step that is marked `once` has had its chance.
 */
async function sagasBeside(seed: number): Promise<readonly Failure[]> {
  const isCalledOff = seed % 2 === 0;
  return await perform(`sagas beside ${seed}`, {
    processes: 2,
    lastsMs: 240_000,
    options: { latencyMsMax: 20 },
    setup: (sim) => ({
      worker: { leaseMs: 2_000, parkAfterMs: 0, hotRunsMax: seed % 3 },
      workflows: (proc) => [
        code("trip", async (ctx, lengths: readonly number[]) => {
          const leg = (inner: Ctx, name: string, ms: number) => {
            const compensate = (_: string, step: StepContext) => body(sim, proc, 900)(step);
            return inner.step(name, body(sim, proc, ms), { retry: RETRY, compensate });
          };
          await leg(ctx, "leg-there", 0);
          if (isCalledOff) {
            await ctx.scope("call-off", async (inner) => {
              await inner.compensate();
              await inner.step("ask", (step) => body(sim, proc, 0)(step), { once: true }).catch(() => null);
            });
          }
          const stays = lengths.map((ms, i) =>
            ctx.scope(`stay-${i}`, async (inner) => {
              await leg(inner, "leg-hotel", ms);
              await inner.sleep("nights", 700 + ms);
            }),
          );
          void Promise.allSettled(stays);
          await ctx.sleep("rest", 900);
          const refusal = () => Promise.reject(new Error("no"));
          await ctx.step("pay", refusal, { retry: { attempts: 1 } });
        }),
      ],
    }),
    deeds: (sim) => [
      ...["a", "b"].flatMap((name) => {
        const run = start(
          "trip",
          name,
          [1, 2, 3].map(() => sim.prng.pick([0, 100, 600, 1_200])),
        );
        const isRetried = sim.prng.chance(0.5);
        return [
          { atMs: sim.prng.int(0, 2_000), do: run },
          ...(isRetried ? [{ atMs: sim.prng.int(8_000, 12_000), do: retryOf(run) }] : []),
        ];
      }),
      ...troubles(sim, 3, 8_000, "crash"),
    ],
    judge: ({ checker }) => {
      for (const runId of checker.runIds) {
        expectUndone(checker, runId, (key) => (isCalledOff ? /^stay-\d\/leg-/ : /^(stay-\d\/)?leg-/).test(key));
        const count = (type: string, pattern: RegExp) =>
          checker.history(runId).filter((row) => row.type === type && pattern.test(row.key ?? "")).length;
        const asked = count("attempt.started", /^call-off\/ask$/);
        checker.expect("attempts-within-policy", asked <= 1, () => `run ${runId} has asked ${asked} times`);
        const there = count("step.completed", /^leg-there$/);
        const back = count("step.completed", /compensate(#\d+)?\/leg-there$/);
        checker.expect(
          "undone-unless-completed",
          back === there,
          () => `run ${runId} went ${there} times, and ${back} back`,
        );
      }
    },
  });
}

/** Runs fail while others of their calls are under way, and are retried until they have completed. */
async function retries(seed: number, surroundings: Surroundings = {}): Promise<readonly Failure[]> {
  return await perform(`retries ${seed}`, {
    processes: 2,
    lastsMs: 240_000,
    options: { faults: { duplicate: 0.05, "lost-reply": 0.05 }, latencyMsMax: 20, ...over(surroundings) },
    setup: (sim) => ({
      worker: { leaseMs: 2_000, parkAfterMs: 0, hotRunsMax: seed % 2 },
      workflows: (proc) => [
        code("kid", async (ctx) => ctx.sleep("nap", 4_000)),
        code("mendable", async (ctx) => {
          const bad = body(sim, proc, 50, 3);
          await ctx.step("before", body(sim, proc, 0), { retry: RETRY });
          await Promise.all([
            ctx.child("kid", null),
            ctx.step("slow", body(sim, proc, 3_000), { retry: RETRY }),
            ctx.step("bad", bad, { retry: { ...RETRY, attempts: 2 } }),
          ]);
          return null;
        }),
      ],
    }),
    deeds: (sim) =>
      ["a", "b", "c"].flatMap((name) => {
        const run = start("mendable", name, null);
        const retry = retryOf(run);
        const times = [2_000, 4_000, 20_000, 40_000, 60_000].map((ms) => ms + sim.prng.int(0, 3_000));
        return [{ atMs: sim.prng.int(0, 1_000), do: run }, ...times.map((atMs) => ({ atMs, do: retry }))];
      }),
    judge: (sim) => judgeRoots(sim, false),
  });
}

/** Retries the run that `run` starts, if it has ended. */
function retryOf(run: ReturnType<typeof start>): (engine: Engine) => Promise<void> {
  return async (engine) => {
    await (await run(engine)).retry().catch((error: { readonly code?: string }) => {
      if (error.code !== "RUN_NOT_OVER") throw error;
    });
  };
}
