import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { workflow } from "../../src/ctx/workflow.ts";
import { createEngineOf } from "../../src/engine/engine.ts";
import { verify } from "../../src/history/verify.ts";
import { BUSY_TIMEOUT_MS, Database } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { newFolder } from "../log/open.ts";
import { lostParts, noteAcknowledged, readAcknowledged } from "../support/acknowledged.ts";
import { realPorts } from "../support/ports.ts";

/** How often the disk is full, and by how many pages the file may grow before: so it is full at many places of a write. */
const STEPS = 60;
const PAGES = 12;

/** Each so many times the whole log is read while the disk is full. */
const READ_EVERY = 6;

/** How many starts wait at a time. */
const WAITING_MAX = 8;

const PAGES_UNBOUNDED = 1_000_000;

const fill = workflow({ name: "fill" }, async (ctx, n: number) => {
  const first = await ctx.step("first", () => `${n} ${"x".repeat(1_500)}`);
  await ctx.sleep("breath", "5ms");
  return await ctx.step("second", () => `${first.length} of ${n}`);
});

it("a disk that is full again and again is reported, loses nothing, and is written to when there is room, by the same engine", {
  timeout: 60_000,
}, async () => {
  const folder = newFolder();
  const path = join(folder, "log.db");
  const acknowledged = join(folder, "acknowledged.jsonl");
  writeFileSync(acknowledged, "");
  const client = clientFor({ url: `file:${path}`, concurrency: 1, timeout: BUSY_TIMEOUT_MS }, "owned-file");
  const ports = realPorts();
  const db = new Database({ client, kind: "owned-file", name: path, ports });
  await migrate(db);
  const log = libsqlStore(db);
  const store: LogStore = {
    ...log,
    append: async (write) => {
      const verdict = await log.append(write);
      noteAcknowledged(acknowledged, write, verdict);
      return verdict;
    },
  };
  const engine = await createEngineOf({ store, ports, workflows: [fill] });
  onTestFinished(() => engine.close());
  await engine.work();

  const pages = async () => Number((await client.execute("PRAGMA page_count")).rows[0]?.page_count);
  const allow = (count: number) => client.execute(`PRAGMA max_page_count = ${count}`);
  const lost = async () =>
    lostParts(readAcknowledged(acknowledged), await store.readLog({ afterPosition: 0, limit: 1_000_000 }));
  const codes: string[] = [];
  let isFull = false;
  engine.on("store.failing", ({ code }) => {
    codes.push(code);
    isFull = true;
  });
  engine.on("store.recovered", () => {
    isFull = false;
  });

  const runIds: string[] = [];
  let starts = 0;
  const start = async () => {
    const n = starts++;
    const run = await engine.start(fill, n, { idempotencyKey: `n-${n}` });
    runIds[n] = run.id;
  };
  const waiting = new Set<Promise<void>>();

  for (let step = 0; step < STEPS; step++) {
    await allow((await pages()) + (step % PAGES));
    while (!isFull) {
      if (waiting.size < WAITING_MAX) {
        const each = start().finally(() => waiting.delete(each));
        waiting.add(each);
      }
      await nextTurn();
    }
    if (step % READ_EVERY === 0) expect(await lost()).toEqual([]);
    await allow(PAGES_UNBOUNDED);
    while (isFull) await nextTurn();
  }

  await Promise.all(waiting);
  const outputs = await Promise.all(runIds.map(async (runId) => await engine.run(runId).result()));
  expect(outputs).toEqual(runIds.map((_, n) => `${`${n} `.length + 1_500} of ${n}`));
  expect(codes).toEqual(Array(STEPS).fill("STORE_FULL"));
  expect(await lost()).toEqual([]);
  expect(await verify(store, { drain: ports.drain })).toMatchObject({ equal: true, runs: starts });
  expect((await client.execute("PRAGMA integrity_check")).rows).toMatchObject([{ integrity_check: "ok" }]);
  console.log(`full ${codes.length} times, ${starts} runs, ${await pages()} pages`);
});
