/**
 * A small world of schedules: processes that die, a network that loses and repeats, a clock that jumps, and people who
 * pause, change and ask. Each rule of overlap and catch-up has a schedule of its own.
 */
import { type Workflow, workflow } from "../../src/ctx/workflow.ts";
import type { Engine } from "../../src/engine/api.ts";
import { isVarveError } from "../../src/kernel/errors.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { ScheduleDefinition } from "../../src/scheduler/definition.ts";
import { type CatchUpOptions, OVERLAPS } from "../../src/scheduler/policy.ts";
import { schedule } from "../../src/scheduler/schedule.ts";
import type { Failure } from "../../src/testing/checker.ts";
import type { Simulation } from "../../src/testing/simulation.ts";
import { type Deed, perform } from "../mutants/play.ts";

export interface SchedulesWorld {
  readonly failures: readonly Failure[];
  /** Instants that the timetables had. */
  readonly instants: number;
  readonly looks: Simulation["checker"]["looks"];
}

const CATCH_UPS: readonly CatchUpOptions[] = [
  { policy: "none", grace: "2s" },
  { policy: "last", grace: "2s", window: "1m" },
  { policy: "all", grace: "2s", window: "1m", max: 5 },
];

/** A simulation begins with the year; then its schedules have so many seconds, and what they started has time to end. */
const SECONDS = 100;
const UNTIL = new Date(Date.UTC(2026, 0, 1, 0, 0, SECONDS)).toISOString();
const LASTS_MS = 900_000;

/** The farthest that the clock is off. */
const JUMP_MS_MAX = 120_000;

const nap = workflow({ name: "nap" }, async (ctx) => {
  await ctx.sleep("nap", Math.floor(ctx.random() * 1_500));
}) as Workflow<never, unknown, never, never>;

const SCHEDULES: readonly ScheduleDefinition[] = OVERLAPS.flatMap((overlap) =>
  CATCH_UPS.map((catchUp) => {
    const id = `${overlap} ${catchUp.policy}`;
    return schedule({ id, workflow: nap as never, every: "1s", until: UNTIL, overlap, catchUp });
  }),
);

/** @param store the log, on the simulation's clock; @default in memory, with a clock that jumps */
export async function schedules(
  seed: number,
  { store = jumping }: { readonly store?: (clock: { now(): number }) => LogStore } = {},
): Promise<SchedulesWorld> {
  let looks = {} as SchedulesWorld["looks"];
  let instants = 0;
  const failures = await perform(`schedules ${seed}`, {
    processes: 3,
    lastsMs: LASTS_MS,
    options: {
      store,
      faults: {
        ...{ duplicate: 0.02, "lost-reply": 0.02, "lost-request": 0.02, "late-request": 0.02 },
        ...{ "crash-before": 0.001, "crash-after": 0.001 },
      },
      latencyMsMax: 20,
    },
    setup: () => ({ worker: { leaseMs: 2_000, parkAfterMs: 0 }, workflows: () => [nap], schedules: SCHEDULES }),
    deeds: (sim) => Array.from({ length: 60 }, () => deed(sim)),
    judge: (sim) => {
      ({ looks } = sim.checker);
      instants = SCHEDULES.length * SECONDS;
    },
  });
  return { failures, instants, looks };
}

function deed({ prng }: Simulation): Deed {
  const { id } = prng.pick(SCHEDULES);
  const from = prng.int(0, 30) * 1_000;
  const kind = prng.pick(["pause", "resume", "resume", "trigger", "backfill", "update"] as const);
  const overlap = prng.pick(["queue-all", "allow"] as const);
  const act = async ({ schedules: all, ports }: Engine) => {
    const until = ports.clock.now() - from;
    if (kind === "pause") await all.pause(id);
    else if (kind === "resume") await all.resume(id);
    else if (kind === "trigger") await all.trigger(id);
    else if (kind === "backfill") await all.backfill(id, { from: until - 5_000, until, overlap });
    else await all.update(id, { tags: { changed: `${from}` } });
  };
  return {
    atMs: prng.int(1_000, SECONDS * 1_000),
    // Before the first process is up there are none.
    do: (engine) =>
      act(engine).catch((error: unknown) => {
        if (!isVarveError(error, "SCHEDULE_NOT_FOUND")) throw error;
      }),
  };
}

/** A log whose clock jumps for schedules alone: leases are another matter. */
function jumping(clock: { now(): number }): LogStore {
  let isOfSchedules = false;
  const offset = () => {
    // Another time every three seconds, as a hash of it decides.
    const turn = Math.floor(clock.now() / 3_000);
    const draw = ((turn * 2_654_435_761) >>> 0) / 2 ** 32;
    return draw < 0.8 ? 0 : Math.floor((draw - 0.9) * 10 * JUMP_MS_MAX);
  };
  const store = memoryStore({ now: () => clock.now() + (isOfSchedules ? offset() : 0) });
  const jumped = <Args extends unknown[], R>(call: (...args: Args) => Promise<R>) => {
    return (...args: Args): Promise<R> => {
      isOfSchedules = true;
      try {
        return call.apply(store, args);
      } finally {
        isOfSchedules = false;
      }
    };
  };
  store.getSchedule = jumped(store.getSchedule);
  store.schedulesAhead = jumped(store.schedulesAhead);
  return store;
}
