/** The public views over recorded histories, against what the timeline of the command line makes of the same events. */
import { type Client, createClient } from "@libsql/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Timeline } from "../../src/cli/timeline.ts";
import { parseEvent } from "../../src/kernel/events.ts";
import { MIGRATIONS } from "../../src/log/libsql/migrations.ts";
import { type Recording, recordedNames, recordedText } from "../support/histories.ts";

const recordings = recordedNames().map((name) => ({ ...(JSON.parse(recordedText(name)) as Recording), runId: name }));

let client: Client;

beforeAll(async () => {
  client = createClient({ url: "file::memory:", concurrency: 1 });
  await client.batch(MIGRATIONS.flatMap(({ statements }) => [...statements]));
  const rows = recordings.flatMap(({ runId, events }) => events.map((event) => ({ ...event, runId })));
  await client.batch(
    rows.map(({ runId, seq, epoch, type, v, key, scope, attempt, at, data }) => ({
      sql: "INSERT INTO events (run_id, seq, epoch, type, v, key, scope, attempt, at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      args: [runId, seq, epoch, type, v, key, scope, attempt, at, data === null ? null : JSON.stringify(data)],
    })),
  );
});

afterAll(() => client.close());

/** The steps of a run with their attempts, by the timeline. */
function stepsOf({ runId, events }: Recording) {
  const timeline = new Timeline();
  for (const event of events) {
    const data = event.data === null ? null : JSON.stringify(event.data);
    timeline.add(parseEvent({ ...event, runId, data }));
  }
  return timeline.calls.filter(({ kind }) => kind === "step");
}

async function rowsOf(sql: string, runId: string): Promise<Record<string, unknown>[]> {
  const { rows, columns } = await client.execute({ sql, args: [runId] });
  return rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])));
}

describe("the views of a run", () => {
  it.each(recordings)("tell its steps as its timeline does: $runId", async (recording) => {
    const { runId } = recording;
    const steps = stepsOf(recording).map(({ key, status, startedAt, endedAt, error, attempts }) => {
      const last = attempts.at(-1)?.attempt;
      const message = error?.message ?? null;
      return { key, attempts: last, started_at: startedAt, ended_at: endedAt, status, error: message };
    });
    expect(steps.length).toBeGreaterThan(0);
    const sql = "SELECT key, attempts, started_at, ended_at, status, error FROM v_steps WHERE run_id = ? ORDER BY key";
    expect(await rowsOf(sql, runId)).toEqual(steps.sort((a, b) => (a.key < b.key ? -1 : 1)));
  });

  it.each(recordings)("tell the attempts of its steps as its timeline does: $runId", async (recording) => {
    const { runId } = recording;
    const attempts = stepsOf(recording).flatMap(({ key, attempts }) =>
      attempts.map(({ attempt, worker, startedAt, endedAt, status, error }) => {
        const message = error?.message ?? null;
        return { key, attempt, started_at: startedAt, ended_at: endedAt, status, error: message, worker };
      }),
    );
    const sql =
      "SELECT key, attempt, started_at, ended_at, status, error, worker FROM v_attempts WHERE run_id = ? ORDER BY key, attempt";
    expect(await rowsOf(sql, runId)).toEqual(
      attempts.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.attempt - b.attempt)),
    );
  });

  it("give the output of a step, also of an item of a map", async () => {
    const sql = "SELECT output FROM v_steps WHERE run_id = ? AND key = 'send[2]/look'";
    expect(await rowsOf(sql, "newsletter")).toEqual([{ output: '"delivered"' }]);
  });

  it("tell its items in its timeline", async () => {
    const sql = "SELECT key FROM v_timeline WHERE run_id = ? AND type = 'scope.started' ORDER BY seq";
    expect((await rowsOf(sql, "newsletter")).map(({ key }) => key)).toEqual([0, 1, 2, 3, 4].map((i) => `send[${i}]`));
  });

  /** A search of all events of the run for each of its attempts took minutes for 10,000 of them. */
  it.each(["v_steps", "v_attempts", "v_timeline"])(
    "go through its events once, and through no other run's: %s",
    async (view) => {
      const plan = await rowsOf(`EXPLAIN QUERY PLAN SELECT * FROM ${view} WHERE run_id = ?`, "newsletter");
      const lines = plan.map(({ detail }) => String(detail));
      const reads = lines.filter((line) => /\b(events|e) USING/.test(line));
      expect(reads.length).toBeGreaterThan(0);
      for (const line of reads)
        expect(line).toMatch(/^SEARCH events USING INDEX \w+ \(run_id=\?\)$|\(run_id=\? AND seq=\?\) LEFT-JOIN$/);
      expect(lines.filter((line) => line.includes("CORRELATED"))).toEqual([]);
    },
  );
});
