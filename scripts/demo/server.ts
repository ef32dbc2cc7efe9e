/**
 * The demo's server: an engine on a libSQL file behind HTTP, in a process that is there to be killed.
 *
 * Each body appends a line to the evidence file when it begins: run, key, attempt and process, one synchronous write.
 */
import { serve } from "@hono/node-server";
import { createClient } from "@libsql/client";
import { createApp } from "varve/http";
import { createEngineOf } from "../../src/engine/engine.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import { drainByImmediate } from "../../src/runtime/drain.ts";
import { jsonLogger, systemClock, systemRandom } from "../../src/runtime/system.ts";
import { note } from "../../test/support/evidence.ts";
import { blindToLeases, withoutFence } from "../../test/support/without-fence.ts";
import { hook, triage } from "./triage.ts";

export interface ServerSetup {
  readonly db: string;
  readonly file: "owned" | "shared";
  readonly evidence: string;
  /** Whether the log has its fence. */
  readonly fence: boolean;
  /** It believes that its lease lasts, as a machine does whose clock stood still. */
  readonly deaf: boolean;
  readonly leaseMs: number;
}

const setup = JSON.parse(process.argv[2] ?? "{}") as ServerSetup;

const ports = {
  clock: systemClock,
  random: systemRandom,
  drain: drainByImmediate,
  logger: jsonLogger("error", (line) => process.stderr.write(`${line}\n`)),
};

const log = await openLog(createClient, { url: `file:${setup.db}`, file: setup.file }, ports);
const fenced = setup.fence ? log : withoutFence(log);
const store = setup.deaf ? blindToLeases(fenced, setup.leaseMs) : fenced;
const begun = (runId: string, key: string, attempt: number) =>
  note(setup.evidence, { runId, key, attempt, pid: process.pid, at: Date.now() });
const engine = await createEngineOf({ store, ports, workflows: [triage], hooks: [hook], env: { begun } });
await engine.work({ leaseMs: setup.leaseMs, label: `pid ${process.pid}` });
serve({ fetch: createApp(engine).fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => {
  console.log(JSON.stringify({ listening: `http://127.0.0.1:${port}` }));
});
