import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import Reader from "libsql";
import { withEnv } from "varve";
import { expect, it, onTestFinished } from "vitest";
import { createEngineOf } from "../../src/engine/engine.ts";
import { verify } from "../../src/history/verify.ts";
import { isVarveError } from "../../src/kernel/errors.ts";
import { parseEvent } from "../../src/kernel/events.ts";
import { Database } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import { newFolder, openStore } from "../log/open.ts";
import { lostParts, noteAcknowledged, readAcknowledged } from "../support/acknowledged.ts";
import { note, readEvidence, repeatedBodies } from "../support/evidence.ts";
import { type Fault, startFaultProxy } from "../support/fault-proxy.mjs";
import { startHranaServer } from "../support/hrana-server.mjs";
import { realPorts, seededRandom } from "../support/ports.ts";

const SEED = Number(process.env.NETWORK_SEED ?? 20_261_121);

const FAULTS = Number(process.env.NETWORK_FAULTS ?? 40);

/** The deadline of a call, and the longest delay of a request: three times that, as 30 s are of the real deadline. */
const CALL_MS_MAX = Number(process.env.NETWORK_CALL_MS ?? 250);
const DELAY_MS_MAX = 3 * CALL_MS_MAX;

/** How many runs are under way at a time. */
const LANES = 6;

interface Env {
  readonly begun: (runId: string, key: string, attempt: number) => void;
}

const { workflow } = withEnv<Env>();

const ship = workflow({ name: "ship" }, async (ctx, n: number) => {
  const body = (value: number) => (step: { env: Env; run: { id: string }; key: string; attempt: number }) => {
    step.env.begun(step.run.id, step.key, step.attempt);
    return value;
  };
  const a = await ctx.step("a", body(n));
  await ctx.sleep("breath", "10ms");
  return a + (await ctx.step("b", body(1)));
});

/** The next fault; half of them meet a write of events, the others whatever comes. */
function faultOf(float: () => number): Fault {
  const kinds = ["drop-request", "drop-reply", "hang-request", "hang-reply", "delay", "duplicate", "status"] as const;
  const kind = kinds[Math.floor(float() * kinds.length)] as (typeof kinds)[number];
  const match = float() < 0.5 ? { match: (body: string) => body.includes("INSERT INTO events") } : {};
  if (kind === "delay") return { kind, ms: Math.floor(float() * DELAY_MS_MAX), ...match };
  return kind === "status" ? { kind, status: 502, ...match } : { kind, ...match };
}

it("a network that cuts, delays, repeats, hangs and refuses loses nothing and doubles nothing, and no call waits for ever", {
  timeout: 120_000,
}, async () => {
  const { float } = seededRandom(SEED);
  const folder = newFolder();
  const [acknowledged, evidence] = [join(folder, "acknowledged.jsonl"), join(folder, "evidence.jsonl")];
  for (const file of [acknowledged, evidence]) writeFileSync(file, "");
  const server = await startHranaServer({ path: join(folder, "log.db") });
  const proxy = await startFaultProxy({ target: server.url });
  const straight = createClient({ url: server.url });
  onTestFinished(async () => {
    straight.close();
    await proxy.close();
    await server.close();
  });

  const ports = realPorts();
  const client = createClient({ url: proxy.url });
  // What the short patience is for comes later.
  await migrate(new Database({ client: straight, kind: "remote", name: server.url, ports }));
  const db = new Database({ client, kind: "remote", name: proxy.url, ports, callMsMax: CALL_MS_MAX });
  const log = libsqlStore(db);
  let slowestMs = 0;
  const store: LogStore = {
    ...log,
    append: async (write) => {
      const sentAt = performance.now();
      try {
        const verdict = await log.append(write);
        noteAcknowledged(acknowledged, write, verdict);
        return verdict;
      } finally {
        slowestMs = Math.max(slowestMs, performance.now() - sentAt);
      }
    },
  };
  const reader = new Reader(join(folder, "log.db"), { timeout: 1_000 });
  onTestFinished(() => void reader.close());
  const lastPosition = () =>
    (reader.prepare("SELECT max(position) AS position FROM events").get() as { position: number }).position;
  const env: Env = {
    begun: (runId, key, attempt) =>
      note(evidence, { runId, key, attempt, pid: process.pid, at: Date.now(), position: lastPosition() }),
  };
  const engine = await createEngineOf({ store, ports, workflows: [ship], env });
  await engine.work({ pollMsMax: 50 });

  let repeats = 0;
  const again = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isVarveError(error, "STORE_UNAVAILABLE")) throw error;
        repeats++;
      }
    }
  };
  let isOver = false;
  const outputs: number[] = [];
  let starts = 0;
  const lane = async () => {
    while (!isOver) {
      const n = starts++;
      // As a caller does: what was not acknowledged is asked for again, under the same key.
      const run = await again(() => engine.start(ship, n, { idempotencyKey: `n-${n}` }));
      outputs[n] = await again(() => run.result());
    }
  };
  const lanes = Promise.all(Array.from({ length: LANES }, lane));
  for (let i = 0; i < FAULTS; i++) await proxy.plan(faultOf(float));
  isOver = true;
  await lanes;
  await engine.close();

  const direct = await openStore(server.url);
  const rows = await direct.readLog({ afterPosition: 0, limit: 1_000_000 });
  expect(outputs).toEqual(Array.from({ length: starts }, (_, n) => n + 1));
  expect(lostParts(readAcknowledged(acknowledged), rows)).toEqual([]);
  expect(repeatedBodies(readEvidence(evidence), rows.map(parseEvent))).toEqual([]);
  expect(await verify(direct, { drain: ports.drain })).toMatchObject({ equal: true, runs: starts, violations: [] });
  expect(Object.values(proxy.applied).reduce((sum, n) => sum + n, 0)).toBe(FAULTS);
  console.log(
    `seed ${SEED}: ${JSON.stringify(proxy.applied)}; ${starts} runs, ${repeats} calls repeated by their caller; the slowest write took ${slowestMs.toFixed(0)} ms of ${CALL_MS_MAX} a call`,
  );
});
