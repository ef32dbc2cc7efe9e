/** `varve serve` */
import process from "node:process";
import { getConnInfo } from "@hono/node-server/conninfo";
import { type Command, Option } from "commander";
import type { Engine } from "../engine/api.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { shownAddress } from "../kernel/text.ts";
import { openEngine } from "./access.ts";
import { durationArgument, integerArgument, listArgument } from "./arguments.ts";
import { type DevLine, DevParent } from "./dev-protocol.ts";
import { EXIT } from "./exit-codes.ts";
import { createLoader, DEFAULT_WORKFLOWS, type Loaded } from "./load.ts";
import { loggerOf } from "./logger.ts";
import { type Output, surviveBrokenPipe } from "./output.ts";
import { removeOwnerRecord, writeOwnerRecord } from "./owner-record.ts";
import { stopSignals } from "./signals.ts";
import { action, type Call, printError, verb, withDatabase, withShared } from "./verb.ts";

const HELP = `
Each module's exports are looked through: workflows, hooks, endpoints of outgoing webhooks, and env, which is given to step
bodies.
On loopback the API needs no keys: it is for programs of this machine alone. On another host it needs them.
For ctx.resumeUrl: VARVE_RESUME_URL is where this server is reached from outside, VARVE_RESUME_SECRET what signs its
addresses, of 32 characters or more (several, separated by commas: the first signs).

--queues makes it one of a pool: runs of other queues are left to others. "default" means runs without a queue.

SIGTERM or Ctrl-C stops it: steps that run may end within --stop-within, then their runs are handed back, and go on
with the next start. A second signal stops it at once. Exit code: 0 after SIGTERM, 130 after Ctrl-C.
--json prints { url, db, workflows, hooks, pid } once it listens, and log lines as JSON on stderr.

Examples:
  varve serve
  varve serve workflows/greet.ts --db file:/var/lib/app/varve.db --port 9000
  varve serve --shared --queues heavy
  varve keys create ci --scope runs:write && varve serve --host 0.0.0.0`;

export interface ServeOptions {
  readonly workflows?: string;
  readonly port: number;
  readonly host: string;
  readonly stopWithin: number;
  readonly queues?: readonly string[];
}

const STOP_MS = 10_000;

/** How long requests may take to end once the engine is closed, milliseconds. */
const REQUESTS_MS = 500;

/** The options of `serve` and `dev`. */
export function withServing(command: Command): Command {
  return withShared(withDatabase(command))
    .argument("[modules...]", "modules, or directories of them")
    .addOption(
      new Option("--workflows <directory>", `a directory of modules, beside those named (${DEFAULT_WORKFLOWS})`),
    )
    .option("-p, --port <port>", "0: any that is free", integerArgument(0, 65_535), 8787)
    .option("--host <host>", "where to listen", "127.0.0.1")
    .option("--stop-within <duration>", "how long steps may take to end", durationArgument, STOP_MS)
    .option("--queues <names>", 'works on runs of these queues alone, as "heavy,default"', listArgument);
}

export function serveVerb(): Command {
  return withServing(verb("serve", "Runs workflows, and serves the HTTP API and webhooks"))
    .addHelpText("after", HELP)
    .action(action(serve));
}

/** The paths that `serve` and `dev` load. */
export function modulePaths(modules: readonly string[], { workflows }: Pick<ServeOptions, "workflows">): string[] {
  if (workflows !== undefined) return [...modules, workflows];
  return modules.length === 0 ? [DEFAULT_WORKFLOWS] : [...modules];
}

async function serve(call: Call<ServeOptions>, modules: readonly string[]): Promise<number> {
  const { output, target, options } = call;
  surviveBrokenPipe();
  const stop = stopSignals({ terminatedCode: EXIT.ok });
  const dev = DevParent.find();
  const loaded = await loadAll(output, modulePaths(modules, options), dev);
  if (loaded === null) return EXIT.usage;
  if (dev !== null && !(await dev.mayOpen())) return EXIT.ok;
  dev?.onGone(() => process.kill(process.pid, "SIGTERM"));
  const { queues } = options;
  const pool = queues === undefined ? {} : { serves: queues };
  const engine = await openEngine(target, { loaded, works: true, ...pool, declares: true, logger: loggerOf(output) });
  try {
    const server = await listen(engine, call);
    const { url } = server;
    if (output.json) output.document({ url, db: shownAddress(target.db), ...namesOf(loaded), pid: process.pid });
    else if (dev === null || dev.isFirst) introduce(output, url, shownAddress(target.db), loaded);
    dev?.tell({ told: "listening", port: server.port });
    await aborted(stop.signal);
    if (dev === null) output.note("stopping: steps may end, a second signal does not wait");
    await server.stop(() => engine.close({ deadline: options.stopWithin }));
    return stop.code() ?? EXIT.ok;
  } finally {
    await engine.close({ deadline: options.stopWithin });
  }
}

/** Null: they did not load, which has been said. */
async function loadAll(output: Output, paths: readonly string[], dev: DevParent | null): Promise<Loaded | null> {
  const loader = createLoader();
  const tell = (told: DevLine["told"]) => dev?.tell({ told, files: loader.files() } as DevLine);
  try {
    const loaded = await loader.load(paths);
    tell("loaded");
    return loaded;
  } catch (error) {
    if (dev === null) throw error;
    printError(output, error);
    tell("failed");
    return null;
  }
}

interface Listening {
  readonly url: string;
  readonly port: number;
  /** Takes no more requests, closes the engine, and ends what is left. */
  stop(closeEngine: () => Promise<void>): Promise<void>;
}

async function listen(engine: Engine, { target, options }: Call<ServeOptions>): Promise<Listening> {
  const { createApp } = await import("../http/index.ts");
  const { serveOnNode } = await import("../runtime/serve-node.ts");
  const { databasePath } = await import("../runtime/read-only.ts");
  const { host, port } = options;
  const isLocal = isLoopback(host);
  if (!isLocal) await checkKeys(engine, host);
  const id = crypto.randomUUID();
  let app: ReturnType<typeof createApp> | null = null;
  const notYet = () => new Response(null, { status: 503 });
  const server = await serveOnNode({ fetch: (request, env) => app?.fetch(request, env) ?? notYet(), host, port, id });
  const peerAddress: Parameters<typeof getConnInfo> extends [infer C] ? (c: C) => string | undefined : never = (c) =>
    getConnInfo(c).remote.address;
  const hosts = loopbackHosts(host, server.port);
  app = createApp(engine, isLocal ? { auth: { loopback: { hosts, peerAddress } } } : {});
  const url = `http://${urlHost(isLocal ? host : localHost(host))}:${server.port}`;
  const path = target.shared ? null : databasePath(target.db);
  if (path !== null) writeOwnerRecord(path, { id, url, pid: process.pid });
  return {
    url,
    port: server.port,
    stop: async (closeEngine) => {
      if (path !== null) removeOwnerRecord(path, id);
      // Streams of events end with the engine.
      const closed = server.close(options.stopWithin + REQUESTS_MS);
      await closeEngine();
      await closed;
    },
  };
}

function isLoopback(host: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host) || host === "::1" || host === "localhost";
}

function loopbackHosts(host: string, port: number): string[] {
  return [...new Set(["127.0.0.1", "localhost", "[::1]", urlHost(host)])].map((name) => `${name}:${port}`);
}

function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The address by which this machine reaches a server on `host`. */
function localHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

async function checkKeys(engine: Engine, host: string): Promise<void> {
  const keys = await engine.keys.list();
  if (keys.some(({ revokedAt }) => revokedAt === null)) return;
  throw new DefinitionError(
    "KEYS_MISSING",
    `expected an API key before the API is served at ${host}, where others can reach it, but there is none; \`varve keys create <name>\` makes one, and --host 127.0.0.1 needs none`,
    { host },
  );
}

function namesOf({ workflows, hooks }: Loaded): { readonly workflows: string[]; readonly hooks: string[] } {
  return { workflows: workflows.map(({ name }) => name), hooks: hooks.map(({ name }) => name) };
}

function introduce(output: Output, url: string, db: string, loaded: Loaded): void {
  const { bold, dim } = output.noteColors;
  const { workflows, hooks } = namesOf(loaded);
  const first = workflows[0] ?? "";
  const at = db === "file:varve.db" ? "" : ` --db ${db}`;
  // Started by npm, in a project: then the command is the project's own.
  const varve = process.env["npm_execpath"] === undefined ? "varve" : "npx varve";
  const lines = [
    `${bold("varve")} serves ${bold(url)}  ${dim(`${db}, pid ${process.pid}`)}`,
    `  workflows  ${workflows.join(", ")}`,
    ...hooks.map((hook) => `  hook       POST ${url}/hooks/${hook}`),
    "",
    "Try next, in another terminal:",
    `  ${varve} run ${first} --input '{...}' --wait${at}`,
    `  ${varve} runs list${at}`,
    `  ${varve} runs watch${at}`,
    `  curl ${url}/openapi.json`,
  ];
  for (const line of lines) output.note(line);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
