/**
 * The demo's server: an engine on a libSQL file behind HTTP, in a process that is there to be killed.
 *
 * Each body appends a line to the evidence file when it begins: run, key, attempt and process, one synchronous write.
 */
import { serve } from "@hono/node-server";
import { createApp } from "varve/http";
import { createEngineOf } from "../../src/engine/engine.ts";
import { openLog } from "../../src/log/libsql/open.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { note } from "../../test/support/evidence.ts";
import { blindToLeases, withoutFence } from "../../test/support/without-fence.ts";
import { ports } from "./ports.ts";
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

const log = await openLog(clientFor, { url: `file:${setup.db}`, file: setup.file }, ports);
const fenced = setup.fence ? log : withoutFence(log);
const store = setup.deaf ? blindToLeases(fenced, setup.leaseMs) : fenced;
const begun = (runId: string, key: string, attempt: number) =>
  note(setup.evidence, { runId, key, attempt, pid: process.pid, at: Date.now() });
const engine = await createEngineOf({ store, ports, workflows: [triage], hooks: [hook], env: { begun } });
await engine.work({ leaseMs: setup.leaseMs, label: `pid ${process.pid}` });
serve({ fetch: createApp(engine).fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => {
  console.log(JSON.stringify({ listening: `http://127.0.0.1:${port}` }));
});
