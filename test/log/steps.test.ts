/**
 * How much SQLite does for a hot statement, counted in its virtual machine's steps: what a plan leaves open, because two plans
 * that read the same indexes can pass over another number of rows.
 */
import Connection from "libsql";
import { describe, expect, it } from "vitest";
import type { HotStatement } from "../../src/log/libsql/fragments.ts";
import {
  CLAIM,
  CLAIM_SUSPECT,
  PARK_POISONED,
  READ_MAIL,
  READ_TOP_EVENTS,
  READ_WORK_AHEAD,
  RELEASE_STUCK,
} from "../../src/log/libsql/statements.ts";
import { type OpenedFile, openFile } from "./open.ts";

type Args = Readonly<Record<string, string | number>>;

/** The steps that a statement takes once. */
function stepsOf({ path }: OpenedFile, statement: HotStatement, args: Args): number {
  const connection = new Connection(path);
  const sql = statement.replaceAll("NOW", ":now");
  const prepared = connection.prepare(sql);
  if (prepared.reader) prepared.all(args);
  else prepared.run(args);
  const { steps } = connection.prepare("SELECT nstep AS steps FROM sqlite_stmt WHERE sql = ?").get(sql) as {
    readonly steps: number;
  };
  connection.close();
  return steps;
}

/** A table of a recursive WITH, whose one column is called as it: the numbers from 1 to `count`. */
const numbers = (name: string, count: number) =>
  `${name}(${name}) AS (SELECT 1 UNION ALL SELECT ${name} + 1 FROM ${name} WHERE ${name} < ${count})`;

describe("what lies within completed scopes", () => {
  const SCOPES = 20;

  /** A run of completed scopes with so many events in each. */
  async function fileOf(eventsPerScope: number): Promise<OpenedFile & { readonly head: number }> {
    const file = await openFile();
    const events = eventsPerScope + 2;
    await file.client.execute(`
      INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at)
      WITH RECURSIVE ${numbers("s", SCOPES)}, ${numbers("n", events)}
      SELECT 'run_1', (s - 1) * ${events} + n, 1,
        CASE n WHEN 1 THEN 'scope.started' WHEN ${events} THEN 'scope.completed' ELSE 'attempt.started' END,
        1, CASE WHEN n IN (1, ${events}) THEN 'scope-' || s ELSE 'scope-' || s || '/step-' || n END,
        CASE WHEN n IN (1, ${events}) THEN '' ELSE 'scope-' || s END, 1, 1
      FROM s, n`);
    return { ...file, head: SCOPES * events };
  }

  it("is not passed over when a run is loaded: a read does not take longer with it", async () => {
    const [few, many] = [await fileOf(2), await fileOf(200)];
    const read = (file: OpenedFile & { readonly head: number }) =>
      stepsOf(file, READ_TOP_EVENTS, { ids: '["run_1"]', after: 0, until: file.head });
    expect(read(many)).toBe(read(few));
  });
});

describe("runs that sleep", () => {
  const PROGRAMS = JSON.stringify([
    ["nap", "1"],
    ["other", "1"],
  ]);

  const LOOK = { worker: "w1", programs: PROGRAMS, now: 1_000 };

  /** What a worker sends while nothing is due, and at its start. */
  const LOOKS: readonly [HotStatement, Args][] = [
    [READ_WORK_AHEAD, LOOK],
    [PARK_POISONED, { programs: PROGRAMS, now: 1_000 }],
    [CLAIM, { ...LOOK, turn: 1, limit: 100 }],
    [CLAIM_SUSPECT, { ...LOOK, turn: 1 }],
    [READ_MAIL, { worker: "w1" }],
    [RELEASE_STUCK, { programs: PROGRAMS, now: 1_000 }],
  ];

  /** So many runs asleep, and a worker that lives. */
  async function fileOf(runs: number): Promise<OpenedFile> {
    const file = await openFile();
    await file.client.execute(`
      INSERT INTO runs (id, workflow, version, status, available_at, epoch, head, unclean, tags, created_at)
      WITH RECURSIVE ${numbers("n", runs)}
      SELECT printf('run_%08d', n), 'nap', '1', 'waiting', 1000000 + n, 1, 2, 0, '{}', 1 FROM n`);
    await file.client.execute("INSERT INTO workers (id, started_at, expires_at) VALUES ('w1', 0, 9e12)");
    return file;
  }

  it("cost nothing: a look takes as long with 20,000 of them as with 20", async () => {
    const [few, many] = [await fileOf(20), await fileOf(20_000)];
    const steps = (file: OpenedFile) => LOOKS.map(([statement, args]) => stepsOf(file, statement, args));
    expect(steps(many)).toEqual(steps(few));
  });
});
