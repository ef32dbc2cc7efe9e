import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RunEvent } from "../../src/kernel/events.ts";
import type { Go, SentRun, Setup } from "./child-main.ts";
import { Life } from "./life.ts";
import { Place } from "./place.ts";
import { startServer } from "./server.ts";
import { outputOf } from "./workload.ts";

const RUNS = 20;
const STARTS = Array.from({ length: RUNS }, (_, n) => n);
const LOOK_MS = 20;

const idle: Go = { starts: [], stay: null, release: null };

let place: Place;
let bundle: string;
let lives: Life[];
let acknowledged: Map<number, string>;
const cleanups: (() => Promise<void>)[] = [];

beforeEach(async () => {
  place = Place.open();
  lives = [];
  acknowledged = new Map();
  bundle = await place.bundle("test/kill/child-main.ts");
});

afterEach(async () => {
  await Promise.all(lives.map((life) => life.kill()));
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await place.close();
});

function boot(setup: Partial<Setup>): Life {
  const { path, evidence, acknowledged: noted } = place;
  const defaults: Setup = {
    db: `file:${path}`,
    file: "shared",
    path,
    evidence,
    acknowledged: noted,
    leaseMs: 1_000,
    concurrency: 100,
    isBlind: false,
    isFenced: true,
  };
  const life = new Life(bundle, { ...defaults, ...setup }, (n, runId) => acknowledged.set(n, runId));
  lives.push(life);
  return life;
}

/** Looks again and again until `found` is. */
async function until(found: () => Promise<boolean>): Promise<void> {
  while (!(await found())) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

/** All runs of {@link STARTS} have ended. */
const allEnded = () =>
  until(async () => (await place.runs()).size === RUNS && (await place.underWay()) === 0 && acknowledged.size === RUNS);

const outputs = async () => [...(await place.runs())].map(([key, run]) => [key, run.status, run.output]).sort();

const expectedOutputs = STARTS.map((n) => [`n-${n}`, "completed", outputOf(n)]).sort();

describe("a process that SIGSTOP held past its lease", () => {
  /** The parts of a held write that the log has: all events of a part, or none. */
  async function partsOf(sent: readonly SentRun[]): Promise<{ written: string[]; refused: string[] }> {
    const written: string[] = [];
    const refused: string[] = [];
    for (const { runId, epoch, firstSeq, events } of sent) {
      const history = await place.store.readHistory(runId, { afterSeq: firstSeq - 1, limit: 1_000 });
      const own = history.filter((event) => event.epoch === epoch);
      expect([0, events]).toContain(own.length);
      (own.length === 0 ? refused : written).push(runId);
    }
    return { written, refused };
  }

  it("appends nothing to runs that were taken over, and does not hurt their neighbours in the same flush", {
    timeout: 60_000,
  }, async () => {
    const server = await startServer(place.path);
    cleanups.push(() => server.stop());
    const release = join(place.folder, "release");
    const old = boot({ db: server.url });
    old.go({ starts: STARTS, stay: { phase: "flush", time: 1, runsMin: 6 }, release });
    const sent = await old.here;
    old.signal("SIGSTOP");

    // It has room for three: the others stay the old one's until somebody else comes.
    const young = boot({ db: server.url, concurrency: 3 });
    young.go(idle);
    const taken = async () => {
      const rows = await Promise.all(sent.map(async ({ runId }) => await place.store.getRun(runId)));
      return rows.filter((row, i) => row !== null && row.epoch > (sent[i] as SentRun).epoch).map((row) => row?.id);
    };
    await until(async () => (await taken()).length > 0);
    const takenBefore = await taken();
    writeFileSync(release, "");
    old.signal("SIGCONT");
    await old.answered;

    const { written, refused } = await partsOf(sent);
    expect(refused).toEqual(expect.arrayContaining(takenBefore));
    expect(written.length).toBeGreaterThan(0);
    console.log(
      `a write of ${sent.length} runs, sent after the lease: ${written.length} taken, ${refused.length} refused`,
    );

    await allEnded();
    expect([await old.stop(), await young.stop()]).toEqual([0, 0]);
    expect(await outputs()).toEqual(expectedOutputs);
    expect(await place.repeats()).toEqual([]);
    // Under an older epoch nothing follows a newer one: the invariant "epoch-never-falls".
    expect(await place.verify()).toMatchObject({ equal: true, violations: [], differences: [] });
    expect(await place.integrity()).toEqual(["ok"]);
  });
});

describe("two processes on one log, of which one never doubts its lease", () => {
  /** The blind one holds a write back until the other has its runs and has got on with them; then it goes on. */
  async function takeOver(isFenced: boolean): Promise<void> {
    const release = join(place.folder, "release");
    const blind = boot({ leaseMs: 300, isBlind: true, isFenced });
    blind.go({ starts: STARTS, stay: { phase: "flush", time: 1, runsMin: 6 }, release });
    const sent = new Map((await blind.here).map(({ runId, epoch }) => [runId, epoch]));
    boot({ isFenced }).go(idle);
    const isAhead = ({ runId, epoch, type }: RunEvent) =>
      type === "step.completed" && epoch > (sent.get(runId) ?? Number.POSITIVE_INFINITY);
    await until(async () => (await place.events()).some(isAhead));
    writeFileSync(release, "");
    await blind.answered;
  }

  it("with the fence no recorded step runs again", { timeout: 60_000 }, async () => {
    await takeOver(true);
    await allEnded();
    expect(await outputs()).toEqual(expectedOutputs);
    expect(await place.repeats()).toEqual([]);
    expect(await place.verify()).toMatchObject({ equal: true });
  });

  it("with the fence taken out the judge reports repeats", { timeout: 60_000 }, async () => {
    await takeOver(false);
    await until(async () => (await place.repeats()).length > 0);
    const repeats = await place.repeats();
    expect(repeats.length).toBeGreaterThan(0);
    const reasons = [...new Set(repeats.map(({ reason }) => reason.replace(/\d+/, "...")))];
    console.log(
      `without the fence: ${repeats.length} of ${place.bodies().length} bodies are repeats: ${reasons.join("; ")}`,
    );
  });
});
