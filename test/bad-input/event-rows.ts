/**
 * Rows of events that somebody damaged, or that a later version wrote: put into a real file by SQL, past the engine.
 * The run parks, its neighbours go on, verify names it, and once the row is as it was the run goes on.
 */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient, type InValue } from "@libsql/client";
import fc from "fast-check";
import { workflow } from "varve";
import { createEngine } from "varve/node";
import type { Engine } from "../../src/engine/api.ts";
import type { RunInfo } from "../../src/engine/api-run.ts";
import type { Effort, Property } from "./lane.ts";
import { inFolder, silent, verified } from "./places.ts";

const RUNS = 8;

/** Until it is opened, the last step of a run does not end. */
const gate = { isOpen: false };

const guarded = workflow({ name: "guarded" }, async (ctx, input: { n: number }) => {
  const doubled = await ctx.step("double", () => ({ n: input.n * 2, at: new Date(input.n) }));
  await ctx.sleep("pause", 1);
  const boxed = await ctx.scope("pack", async (scope) => await scope.step("box", () => doubled.n + 1));
  await ctx.step("hold", async ({ signal }) => {
    if (!gate.isOpen) await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
  });
  return { boxed, at: doubled.at };
});

/** A file with runs that were handed back in the middle, and how many events each has. */
async function makeOriginal(path: string): Promise<readonly string[]> {
  gate.isOpen = false;
  const engine = await createEngine({ db: `file:${path}`, workflows: [guarded], logger: silent });
  let held = 0;
  const allHeld = new Promise<void>((resolve) => {
    engine.on("attempt.started", ({ key }) => {
      if (key === "hold" && ++held === RUNS) resolve();
    });
  });
  const runs = await Promise.all(Array.from({ length: RUNS }, (_, n) => engine.start(guarded, { n })));
  await allHeld;
  await engine.close({ deadline: 0 });
  gate.isOpen = true;
  return runs.map(({ id }) => id);
}

/** A change of one column of one event. */
interface Damage {
  /** Modulo the run's events. */
  readonly event: number;
  readonly column: string;
  readonly value: InValue;
}

const texts = ["", "x", "__proto__", "constructor", "step.guessed", "run.exploded", "double", "pack/box", "a\0b"];
const integers: readonly InValue[] = [-1, 0, 1, 2, 99, 2 ** 53 - 1, 2n ** 53n, 2n ** 62n, -(2n ** 62n)];

const brokenData = [
  "{",
  "",
  "null",
  "[]",
  '"text"',
  "5",
  "NaN",
  "undefined",
  "{'a':1}",
  '{"value":1}}',
  "[".repeat(2_000),
] as const;

const oddData = [
  "{}",
  '{"value":{},"meta":[[["a"],"date"]]}',
  '{"value":5,"meta":"x"}',
  '{"value":5,"meta":[[["__proto__","a"],"date"]]}',
  '{"value":5,"meta":[[[],"temporal"]]}',
  '{"workflow":"guarded","version":"1","input":{"value":null}}',
  '{"workflow":"guarded","version":"1","input":{}}',
  '{"error":{},"value":1,"dueAt":9e99,"worker":"","reason":"?"}',
  `{"value":${"[".repeat(1_500)}${"]".repeat(1_500)}}`,
] as const;

/** The tables are STRICT, so a column holds its type or nothing. Nobody can read it: not as JSON, not by its type, not by its version. */
const unreadable: fc.Arbitrary<Damage> = fc.oneof(
  damage("data", brokenData),
  damage("type", ["step.guessed", "run.exploded", "", "__proto__", "constructor", "a\0b"]),
  damage("v", [2, 99, 0, -1, 2 ** 53 - 1]),
);

const anyDamage: fc.Arbitrary<Damage> = fc.oneof(
  unreadable,
  damage("data", oddData),
  damage("type", ["run.completed", "run.created", "run.cancelled", "attempt.late", "timer.fired", "scope.failed"]),
  damage("key", texts),
  damage("key", [null]),
  damage("scope", texts),
  damage("scope", [null]),
  damage("attempt", integers),
  // Not the greatest instants: after those a run goes on in so many years.
  damage("at", [-1, 0, 1, 2n ** 53n, 2n ** 62n, -(2n ** 62n)]),
  damage("epoch", integers),
  damage("seq", [99, 2n ** 53n, 2n ** 62n, -1, 0]),
  damage("position", [999_999, 2n ** 53n]),
);

function damage(column: string, values: readonly InValue[]): fc.Arbitrary<Damage> {
  return fc.record({ event: fc.nat(40), column: fc.constant(column), value: fc.constantFrom(...values) });
}

/** The codes under which a run parks that cannot be read, or that its code cannot go on with. */
const CODES = ["EVENT_UNREADABLE", "HISTORY_INVALID", "PAYLOAD_CORRUPT", "REPLAY_DIVERGED", "STORE_CORRUPT"];

interface Row {
  readonly [column: string]: InValue;
}

async function eventsOf(client: Client, runId: string): Promise<Row[]> {
  const { rows } = await client.execute({ sql: "SELECT * FROM events WHERE run_id = ? ORDER BY seq", args: [runId] });
  return rows as unknown as Row[];
}

async function planted(client: Client, runId: string, { event, column, value }: Damage): Promise<Row> {
  // What lies within a scope that has concluded is not read any more.
  const rows = (await eventsOf(client, runId)).filter(({ scope }) => scope !== "pack");
  const row = rows[event % rows.length] as Row;
  const sql = `UPDATE OR IGNORE events SET ${column} = ? WHERE position = ?`;
  await client.execute({ sql, args: [value, row.position ?? null] });
  return row;
}

/** As it was. Its place may have been changed too, so the row is written anew. */
async function repaired(client: Client, row: Row, { column, value }: Damage): Promise<void> {
  const at = column === "position" ? value : (row.position as InValue);
  await client.execute({ sql: `UPDATE events SET ${column} = ? WHERE position = ?`, args: [row[column] ?? null, at] });
}

/** Resolves when each of the runs has ended or is stuck. */
async function settled(engine: Engine, runIds: readonly string[]): Promise<Map<string, RunInfo>> {
  const infos = new Map<string, RunInfo>();
  await new Promise<void>((resolve, reject) => {
    const look = async () => {
      for (const id of runIds) {
        const info = await engine.run(id).status();
        if (["completed", "failed", "stuck"].includes(info.status)) infos.set(id, info);
      }
      if (infos.size === runIds.length) resolve();
    };
    const again = () => void look().catch(reject);
    for (const name of ["run.completed", "run.failed", "run.stuck"] as const) engine.on(name, again);
    again();
  });
  return infos;
}

async function opened<T>(path: string, use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine({ db: `file:${path}`, workflows: [guarded], logger: silent });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

async function overCopies(check: (copy: () => string, runs: readonly string[]) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const original = join(folder, "original.db");
    const runs = await makeOriginal(original);
    let copies = 0;
    await check(() => {
      const path = join(folder, `copy-${++copies}.db`);
      cpSync(original, path);
      return path;
    }, runs);
  });
}

/** The first of the runs are damaged, each in its own way; the others are their neighbours. */
const damaged = RUNS - 2;
const damages = (one: fc.Arbitrary<Damage>) => fc.array(one, { minLength: damaged, maxLength: damaged });

async function unreadableRunsPark(effort: Effort): Promise<void> {
  await overCopies(async (copy, runs) => {
    const property = fc.asyncProperty(damages(unreadable), async (list) => {
      const path = copy();
      const client = createClient({ url: `file:${path}` });
      const rows: Row[] = [];
      for (const [i, each] of list.entries()) rows.push(await planted(client, runs[i] as string, each));
      await opened(path, async (engine) => {
        for (const [i, id] of runs.entries()) {
          const info = (await settled(engine, [id])).get(id) as RunInfo;
          const row = rows[i];
          if (row === undefined) {
            assert.deepEqual(info.output, { boxed: i * 2 + 1, at: new Date(i) });
            continue;
          }
          assert.equal(info.stuck?.code, "EVENT_UNREADABLE");
          const place = `event ${row.seq} of run ${id}`;
          assert.ok(info.stuck.message.includes(place), info.stuck.message);
          assert.equal(info.events, (await eventsOf(client, id)).length, "nothing was appended");
        }
      });
      const report = await verified(path);
      const named = new Set([...report.differences, ...report.violations].map(({ runId }) => runId));
      assert.deepEqual([...named].sort(), runs.slice(0, damaged).sort());
      for (const [i, each] of list.entries()) await repaired(client, rows[i] as Row, each);
      client.close();
      await opened(path, async (engine) => {
        for (const [i, id] of runs.entries()) {
          assert.deepEqual(await engine.run(id).result(), { boxed: i * 2 + 1, at: new Date(i) });
        }
      });
      const after = await verified(path);
      assert.deepEqual({ equal: after.equal, integrity: after.integrity }, { equal: true, integrity: [] });
    });
    await fc.assert(property, { ...effort, numRuns: Math.ceil(effort.numRuns / damaged) });
  });
}

async function neighboursGoOn(effort: Effort): Promise<void> {
  await overCopies(async (copy, runs) => {
    const property = fc.asyncProperty(damages(anyDamage), async (list) => {
      const path = copy();
      const client = createClient({ url: `file:${path}`, intMode: "bigint" });
      for (const [i, each] of list.entries()) await planted(client, runs[i] as string, each);
      client.close();
      await opened(path, async (engine) => {
        const infos = await settled(engine, runs);
        for (const [i, id] of runs.entries()) {
          const { status, output, stuck, error } = infos.get(id) as RunInfo;
          if (i >= damaged) assert.deepEqual(output, { boxed: i * 2 + 1, at: new Date(i) });
          if (status === "stuck") assert.ok(CODES.includes(stuck?.code ?? ""), `${stuck?.code}: ${stuck?.message}`);
          if (status === "failed") assert.ok(error instanceof Error);
        }
      });
    });
    await fc.assert(property, { ...effort, numRuns: Math.ceil(effort.numRuns / damaged) });
  });
}

export const eventRows: readonly Property[] = [
  {
    title: "an event that nobody can read parks its run, is named with its place, and holds nobody else up",
    runs: 72,
    holds: unreadableRunsPark,
  },
  {
    title: "whatever a column of an event holds, the neighbours of its run go on",
    runs: 120,
    holds: neighboursGoOn,
  },
];
