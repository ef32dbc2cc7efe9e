/** What the demo does to its servers. */
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { openForeign } from "../../src/log/libsql/open.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { ports } from "./ports.ts";
import { deliveries, send } from "./senders.ts";
import type { ServerSetup } from "./server.ts";
import { startServer } from "./server-process.ts";

/** What an act leaves behind: judged afterwards, from its two files. */
export interface Act {
  readonly title: string;
  readonly db: string;
  readonly evidence: string;
  /** Runs that a server said it has taken. */
  readonly acknowledged: readonly string[];
  /** How often a server was killed by SIGKILL in the middle of the runs. */
  readonly killed: number;
}

const RUNS_KILLED = 30;
const RUNS_DEAF = 10;
const LEASE_MS = 1_500;
const PATIENCE_MS = 60_000;

/** A server that owns its file is killed twice in the middle of its runs, and started again each time. */
export async function killed(folder: string, fence: boolean): Promise<Act> {
  const act = newAct(folder, "killed");
  const setup: ServerSetup = { ...act, file: "owned", fence, deaf: false, leaseMs: 15_000 };
  const sent = await deliveries(RUNS_KILLED, "killed");
  const acknowledged = new Set<string>();
  const sendAll = async (address: string, some: typeof sent) => {
    for (const runId of await Promise.all(some.map((one) => send(address, one)))) {
      if (runId !== null) acknowledged.add(runId);
    }
  };

  const first = await startServer(setup);
  await sendAll(first.address, sent.slice(0, 20));
  await until(() => bodies(act) >= 60);
  await kill(first);

  const second = await startServer(setup);
  // Half of these are repeats, as a sender repeats what was not answered: they find the runs that exist.
  await sendAll(second.address, sent.slice(10));
  await until(() => bodies(act) >= 160);
  await kill(second);

  const third = await startServer(setup);
  await untilOver(act.db, acknowledged.size);
  third.kill("SIGTERM");
  await third.gone;
  return { title: "killed by SIGKILL twice, and started again", ...act, acknowledged: [...acknowledged], killed: 2 };
}

/**
 * Two servers share a file. The first goes deaf: it does not hear that its lease has ended, so it goes on while the second
 * takes its runs over. Nothing but the fence in the log keeps it from starting bodies that are not its own any more.
 */
export async function deaf(folder: string, fence: boolean): Promise<Act> {
  const act = newAct(folder, "deaf");
  const setup: ServerSetup = { ...act, file: "shared", fence, deaf: false, leaseMs: LEASE_MS };
  const first = await startServer({ ...setup, deaf: true });
  const second = await startServer(setup);
  await wait(LEASE_MS);
  const runs = await Promise.all((await deliveries(RUNS_DEAF, "deaf")).map((one) => send(first.address, one)));
  const acknowledged = runs.filter((runId) => runId !== null);
  await untilOver(act.db, acknowledged.length);
  for (const server of [first, second]) server.kill("SIGKILL");
  await Promise.all([first.gone, second.gone]);
  return { title: "two servers, one of which does not hear that it lost its lease", ...act, acknowledged, killed: 0 };
}

function newAct(folder: string, name: string): { db: string; evidence: string } {
  const act = { db: `${folder}/${name}.db`, evidence: `${folder}/${name}.bodies.jsonl` };
  writeFileSync(act.evidence, "");
  return act;
}

async function kill(server: Awaited<ReturnType<typeof startServer>>): Promise<void> {
  server.kill("SIGKILL");
  await server.gone;
}

function bodies({ evidence }: { evidence: string }): number {
  return readFileSync(evidence, "utf8").split("\n").length - 1;
}

async function untilOver(db: string, runs: number): Promise<void> {
  const log = openForeign(clientFor, { url: `file:${db}` }, ports);
  const over = "SELECT count(*) AS count FROM v_runs WHERE ended_at IS NOT NULL";
  await until(async () => Number((await log.one(over))[0]?.["count"]) >= runs);
  await log.close();
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`the runs did not come so far within ${PATIENCE_MS} ms`);
    await wait(5);
  }
}
