/** Schedules decided by two real processes over one file, while they are killed and their clocks jump by up to a day. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { workflow } from "../../src/ctx/workflow.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { RunRow } from "../../src/log/port-runs.ts";
import type { FiringRow, ScheduleRow } from "../../src/log/port-schedules.ts";
import { OVERLAPS } from "../../src/scheduler/policy.ts";
import { scheduleTimes } from "../../src/scheduler/times.ts";
import { openStore } from "../log/open.ts";
import { bundleForNode, ROOT } from "../runtimes/bundle.ts";
import { type Child, startChild } from "../runtimes/child.ts";
import { manualClock, realPorts, seededRandom } from "../support/ports.ts";
import type { ScheduleProcess, ScheduleTold } from "./schedules-main.ts";

const MINUTE = 60_000;
const PROCESSES = 2;
const KILLS = Number(process.env.VARVE_SCHEDULE_KILLS ?? 12);
const CATCH_UPS = ["none", { policy: "last", window: "3h" }, { policy: "all", window: "3h", max: 3 }] as const;

describe("schedules of two processes that are killed at any moment, by clocks that jump", () => {
  it("have one decision on each of 10,000 instants, and a run for each that fired", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "child.mjs"), (await bundleForNode("test/kill/schedules-main.ts")).code);
    const url = `file:${join(folder, "log.db")}`;
    const ids = await makeSchedules(url);
    await decideUnderKills(folder, url);
    const store = await openStore(url, "shared");
    let [instants, fired] = [0, 0];
    for (const id of ids) {
      const view = await store.getSchedule(id);
      const found = await judge(store, view?.row as ScheduleRow);
      instants += found.instants;
      fired += found.fired;
    }
    process.stdout.write(`${instants} instants of ${ids.length} schedules under ${KILLS} kills; ${fired} fired\n`);
    expect(instants).toBeGreaterThan(10_000);
    expect(fired).toBeGreaterThan(100);
  }, 240_000);
});

const STARTS_AT = Date.UTC(2026, 0, 1);

function newFolder(): string {
  // In the package's folder, so that the bundle finds what it imports.
  mkdirSync(join(ROOT, ".tmp"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".tmp", "schedules-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One for each pair of rules. */
async function makeSchedules(url: string): Promise<string[]> {
  const store = await openStore(url, "shared");
  const ports = { ...realPorts(), clock: manualClock(STARTS_AT) };
  const minutely = workflow({ name: "minutely" }, async () => {});
  const engine = await createEngineOf({ store, ports, workflows: [minutely as never], times: scheduleTimes });
  const ids: string[] = [];
  for (const overlap of OVERLAPS) {
    for (const [i, catchUp] of CATCH_UPS.entries()) {
      const { id } = await engine.schedules.create({
        id: `${overlap} ${i}`,
        workflow: "minutely",
        every: MINUTE,
        overlap,
        catchUp,
      });
      ids.push(id);
    }
  }
  await engine.close();
  return ids;
}

async function decideUnderKills(folder: string, url: string): Promise<void> {
  const random = seededRandom(7);
  const began = Date.now();
  let seed = 1;
  const start = (): Child<ScheduleTold> => {
    const setup: ScheduleProcess = { url, seed: seed++, began, startsAt: STARTS_AT };
    return startChild<ScheduleTold>(process.execPath, [join(folder, "child.mjs"), JSON.stringify(setup)]);
  };
  const children = Array.from({ length: PROCESSES }, start);
  try {
    for (let kills = 0; kills < KILLS; kills++) {
      const index = Math.floor(random.float() * PROCESSES);
      const child = children[index] as Child<ScheduleTold>;
      await child.told(({ told }) => told === "deciding");
      await new Promise((resolve) => setTimeout(resolve, random.float() * 900));
      await child.kill();
      children[index] = start();
    }
    // A process that was just started has to get on with what the dead left.
    await Promise.all(children.map((child) => child.told(({ told }) => told === "deciding")));
    await new Promise((resolve) => setTimeout(resolve, 500));
  } finally {
    await Promise.all(children.map((child) => child.kill()));
  }
}

/** Every instant from the oldest that is kept up to the cursor has one decision; what fired has its run, and no run has no firing. */
async function judge(store: LogStore, { id, cursor }: ScheduleRow): Promise<{ instants: number; fired: number }> {
  const firings = (await firingsOf(store, id)).reverse();
  const decided = new Map<number, FiringRow>();
  const oldest = firings[0]?.at ?? 0;
  for (const firing of firings) {
    for (let at = firing.at; at <= (firing.until ?? firing.at); at += MINUTE) {
      expect(decided.get(at), `${id} at ${new Date(at).toISOString()}`).toBeUndefined();
      decided.set(at, firing);
    }
  }
  for (let at = oldest; at <= cursor; at += MINUTE) {
    expect(decided.has(at), `${id} has no decision on ${new Date(at).toISOString()}`).toBe(true);
  }
  const keys = new Map((await runsOf(store)).map((run) => [run.idempotencyKey, run]));
  const fired = firings.filter(({ decision }) => decision === "fired");
  for (const { at, runId } of fired) {
    expect(keys.get(`schedule/${id}/${new Date(at).toISOString()}`)?.id).toBe(runId);
  }
  const own = [...keys.keys()].filter((key) => key?.startsWith(`schedule/${id}/`) === true);
  const instantsOfRuns = own.map((key) => Date.parse((key as string).slice(`schedule/${id}/`.length)));
  for (const at of instantsOfRuns.filter((instant) => instant >= oldest))
    expect(decided.get(at)?.decision).toBe("fired");
  return { instants: (cursor - STARTS_AT) / MINUTE, fired: own.length };
}

async function firingsOf(store: LogStore, scheduleId: string): Promise<FiringRow[]> {
  const all: FiringRow[] = [];
  for (;;) {
    const page = await store.listFirings({ scheduleId, decision: null }, { before: all.at(-1) ?? null, limit: 500 });
    all.push(...page);
    if (page.length < 500) return all;
  }
}

async function runsOf(store: LogStore): Promise<RunRow[]> {
  const all: RunRow[] = [];
  for (;;) {
    const page = await store.listRuns({}, { before: all.at(-1)?.id ?? null, limit: 500 });
    all.push(...page);
    if (page.length < 500) return all;
  }
}
