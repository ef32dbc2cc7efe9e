/** What a message costs that may cancel runs: it depends on those that go on, not on those that have ended. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { cel, workflow } from "varve";
import { createEngine } from "varve/node";
import { expect, it, onTestFinished, vi } from "vitest";
import { Database } from "../../src/log/libsql/database.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import { realPorts } from "../support/ports.ts";

const stops = workflow(
  { name: "stops", cancelOn: [{ topic: "orders.gone", match: cel("message.payload.id == run.input.id") }] },
  async (ctx, _input: { id: number }) => ctx.sleep("long", "1d"),
);

it("runs among 50,000 that have ended are found without a look at those", async () => {
  const folder = mkdtempSync(join(tmpdir(), "varve-cancel-on-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "log.db");
  const made = await createEngine({ db: `file:${path}`, workflows: [stops], worker: false });
  await made.close();
  const client = createClient({ url: `file:${path}`, concurrency: 1 });
  await client.execute(`INSERT INTO runs (id, workflow, version, status, epoch, head, unclean, tags, created_at, ended_at)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 50000)
    SELECT printf('run_%08d', i), 'stops', '1', 'completed', 1, 1, 0, '{}', i, i FROM n`);
  // One window by the index of statuses has them all.
  const store = libsqlStore(new Database({ client, kind: "owned-file", name: path, ports: realPorts() }));
  const filter = { workflow: "stops", status: ["pending", "running", "waiting", "paused", "stuck"] } as const;
  expect(await store.runWindow(filter, { before: null, rows: 5_000 })).toEqual({ by: "status", from: null });
  client.close();

  const engine = await createEngine({ db: `file:${path}`, workflows: [stops] });
  const [kept, gone] = [await engine.start(stops, { id: 1 }), await engine.start(stops, { id: 2 })];
  await engine.publish("orders.gone", { id: 2 }, { id: "m" });
  await vi.waitFor(async () => expect((await gone.status()).status).toBe("cancelled"), { timeout: 5_000 });
  expect((await engine.message("orders.gone", "m")).decisions).toMatchObject([
    { decision: "cancelled", runId: gone.id },
  ]);
  expect((await kept.status()).status).not.toBe("cancelled");
  await engine.close();
});
