/** Processes that SIGSTOP holds for longer than their lease, again and again. */
import { readFileSync, statSync } from "node:fs";
import { expect, it } from "vitest";
import { UNCLEAN_ALONE_FROM } from "../../src/log/port-claims.ts";
import { lostParts, readAcknowledged } from "../support/acknowledged.ts";
import { seededRandom } from "../support/ports.ts";
import type { Setup } from "./child-main.ts";
import { Life } from "./life.ts";
import { Place } from "./place.ts";
import { startServer } from "./server.ts";
import { outputOf } from "./workload.ts";

const SEED = Number(process.env.KILL_SEED ?? 20_261_121);

/** How often a process is held on each kind of database. */
const PAUSES = 11;

/** More than end in that time. */
const RUNS = 300;

const LEASE_MS = 500;

/** Longer than a pause, which ends when the runs are taken over: such a body is still under way after it. */
const LONG_BODY_MS = 1_200;

/** A process is held when it has at least so many runs. */
const OWNED_MIN = 3;

const LOOK_MS = 20;

const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A run that a process had when it was held. */
interface Held {
  readonly runId: string;
  readonly epoch: number;
}

/** Without those that have lost so many owners that only an empty worker takes them: that would be waited for too long. */
async function ownedBy({ pid }: Life, place: Place): Promise<Held[]> {
  const rows = await place.store.listRuns({ status: ["running"] }, { before: null, limit: 500 });
  const owned = rows.filter(({ owner, unclean }) => owner?.includes(`:${pid}/`) && unclean < UNCLEAN_ALONE_FROM);
  return owned.map(({ id, epoch }) => ({ runId: id, epoch }));
}

/** Whether a process that stands still has a lock on the file, so that nobody else can write. */
function hasLock({ pid }: Life, path: string): boolean {
  const { ino } = statSync(path);
  const locks = readFileSync("/proc/locks", "utf8").split("\n");
  return locks.some((lock) => lock.includes(` ${pid} `) && lock.includes(`:${ino} `));
}

/** How many events each of `held` has under the epoch that it was held with. */
async function written(held: readonly Held[], place: Place): Promise<number[]> {
  return await Promise.all(
    held.map(async ({ runId, epoch }) => {
      const history = await place.store.readHistory(runId, { afterSeq: 0, limit: 1_000 });
      return history.filter((event) => event.epoch === epoch).length;
    }),
  );
}

it.concurrent.each(["a shared file", "a libSQL server"] as const)(
  "what a process on %s had when it was held for longer than its lease is taken over, and it writes nothing more there",
  { timeout: 120_000 },
  async (where) => {
    const place = Place.open();
    const server = where === "a libSQL server" ? await startServer(place.path) : null;
    const lives: Life[] = [];
    try {
      await holdAgainAndAgain(where, place, server?.url ?? `file:${place.path}`, lives);
    } finally {
      await Promise.all(lives.map((life) => life.kill()));
      await server?.stop();
      await place.close();
    }
  },
);

async function holdAgainAndAgain(where: string, place: Place, db: string, lives: Life[]): Promise<void> {
  const random = seededRandom(SEED);
  const { path, evidence, acknowledged } = place;
  const worker = { leaseMs: LEASE_MS, concurrency: 6, longBodyMs: LONG_BODY_MS } as const;
  const setup: Setup = {
    db,
    file: "shared",
    path,
    evidence,
    acknowledged,
    ...worker,
    isBlind: false,
    isFenced: true,
  };
  const bundle = await place.bundle("test/kill/child-main.ts");
  const pair = [0, 1].map(() => new Life(bundle, setup, () => {}));
  lives.push(...pair);
  for (const [i, life] of pair.entries()) {
    const starts = Array.from({ length: RUNS / 2 }, (_, n) => i * (RUNS / 2) + n);
    life.go({ starts, stay: null, release: null });
  }

  for (const life of pair) await life.opened;

  const pauses: { readonly held: readonly Held[]; readonly before: readonly number[] }[] = [];
  while (pauses.length < PAUSES) {
    const life = pair[pauses.length % 2] as Life;
    await pass(random.float() * LEASE_MS);
    if ((await ownedBy(life, place)).length < OWNED_MIN) continue;
    life.signal("SIGSTOP");
    await life.stopped();
    if (where === "a shared file" && hasLock(life, path)) {
      // Nobody can take anything over: its lease is as good as its lock.
      life.signal("SIGCONT");
      continue;
    }
    const held = await ownedBy(life, place);
    while ((await ownedBy(life, place)).length > 0) await pass(LOOK_MS);
    pauses.push({ held, before: await written(held, place) });
    life.signal("SIGCONT");
  }

  // What comes after has been seen elsewhere: the runs need not end.
  await Promise.all(pair.map((life) => life.kill()));
  for (const { held, before } of pauses) expect(await written(held, place)).toEqual(before);
  const completed = [...(await place.runs())].filter(([, { status }]) => status === "completed");
  for (const [key, { output }] of completed) expect(output).toBe(outputOf(Number(key.replace("n-", ""))));
  expect(lostParts(readAcknowledged(acknowledged), await place.rows())).toEqual([]);
  expect(await place.repeats()).toEqual([]);
  expect(await place.verify()).toMatchObject({ equal: true, violations: [], differences: [] });
  expect(await place.integrity()).toEqual(["ok"]);
  const aborted = pair.reduce((sum, life) => sum + life.times("aborted"), 0);
  expect(aborted).toBeGreaterThan(0);
  const taken = pauses.reduce((sum, { held }) => sum + held.length, 0);
  console.log(
    `${where}, seed ${SEED}: held ${pauses.length} times, ${taken} runs taken over, ${completed.length} completed; ${aborted} long bodies aborted; 0 events under an old epoch`,
  );
}
