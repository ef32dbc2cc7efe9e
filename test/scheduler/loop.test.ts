import { describe, expect, it } from "vitest";
import type { SchedulesAhead } from "../../src/log/port-schedules.ts";
import { type LoopParts, ScheduleLoop } from "../../src/scheduler/loop.ts";
import { type LogLine, manualClock } from "../support/ports.ts";

/** A loop over schedules that are told by hand. */
function opened({
  exclusive = true,
  settle = async () => {},
}: {
  exclusive?: boolean;
  settle?: LoopParts["settle"];
} = {}) {
  const clock = manualClock(0);
  const lines: LogLine[] = [];
  const ahead = { due: [] as string[], nextAt: null as number | null, waits: false, fails: false };
  const seen = { looks: 0, settled: [] as string[] };
  const loop = new ScheduleLoop({
    store: {
      exclusive,
      schedulesAhead: async (): Promise<SchedulesAhead> => {
        seen.looks++;
        if (ahead.fails) throw new Error("the database is away");
        return { ...ahead, due: [...ahead.due], now: clock.now() };
      },
    },
    clock,
    logger: { log: (level, message, fields) => lines.push({ level, message, fields }) },
    workflows: ["w"],
    settle: async (id) => {
      seen.settled.push(id);
      await settle(id);
      ahead.due = ahead.due.filter((each) => each !== id);
    },
  });
  const quiet = async () => {
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  const pass = async (ms: number, stepMs = ms) => {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await quiet();
    }
  };
  return { loop, ahead, seen, lines, quiet, pass };
}

describe("a loop that has the log for itself", () => {
  it("looks once if there are no schedules, and again when one is made", async () => {
    const { loop, seen, ahead, quiet, pass } = opened();
    loop.start();
    await pass(3_600_000, 60_000);
    expect(seen.looks).toBe(1);
    ahead.due = ["a"];
    loop.nudge();
    await quiet();
    expect(seen).toEqual({ looks: 3, settled: ["a"] });
  });

  it("looks when the next one is due, and now and then before, because clocks jump", async () => {
    const { loop, seen, ahead, quiet, pass } = opened();
    ahead.nextAt = 70_000;
    loop.start();
    await quiet();
    await pass(29_999);
    expect(seen.looks).toBe(1);
    await pass(1);
    expect(seen.looks).toBe(2);
    await pass(39_999, 1_000);
    expect(seen.looks).toBe(3);
    await pass(1);
    expect(seen.looks).toBe(4);
  });
});

it("a loop over a log that others write looks once a second", async () => {
  const { loop, seen, quiet, pass } = opened({ exclusive: false });
  loop.start();
  await quiet();
  await pass(10_000, 100);
  expect(seen.looks).toBe(11);
});

it("the end of a run is looked at only while something waits for one", async () => {
  const { loop, seen, ahead, quiet } = opened();
  loop.start();
  await quiet();
  loop.runEnded();
  await quiet();
  expect(seen.looks).toBe(1);
  ahead.waits = true;
  loop.nudge();
  await quiet();
  loop.runEnded();
  await quiet();
  expect(seen.looks).toBe(3);
});

it("one schedule that cannot be decided does not hold up the others, and is tried again", async () => {
  const { loop, ahead, seen, lines, quiet, pass } = opened({
    exclusive: false,
    settle: async (id) => {
      if (id === "broken") throw new Error("no such zone");
    },
  });
  ahead.due = ["broken", "fine"];
  loop.start();
  await quiet();
  expect(seen.settled).toEqual(["broken", "fine"]);
  expect(lines).toMatchObject([{ level: "warn", fields: { id: "broken" } }]);
  await pass(1_000);
  expect(seen.settled).toEqual(["broken", "fine", "broken"]);
});

it("a database that does not answer is asked again", async () => {
  const { loop, ahead, seen, lines, quiet, pass } = opened();
  ahead.fails = true;
  loop.start();
  await quiet();
  await pass(500);
  expect([seen.looks, lines.length]).toEqual([2, 2]);
  ahead.fails = false;
  ahead.due = ["a"];
  await pass(500);
  expect(seen.settled).toEqual(["a"]);
});

it("a loop that was stopped looks no more", async () => {
  const { loop, seen, quiet, pass } = opened({ exclusive: false });
  loop.start();
  await quiet();
  await loop.stop();
  loop.nudge();
  await pass(5_000, 500);
  expect(seen.looks).toBe(1);
});
