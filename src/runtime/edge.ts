/** Varve in an isolate (workerd, Deno Deploy and others): a libSQL server over HTTP, and no loop that goes on by itself. */
// Not "@libsql/client/web": that adds WebSockets, 19 kB that an isolate has no use for, since none may outlive a request.
import { createClient } from "@libsql/client/http";
import type { Engine } from "../engine/api.ts";
import { createEngineOf } from "../engine/engine.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { Ports } from "../kernel/ports.ts";
import { Database } from "../log/libsql/database.ts";
import { filePath, remoteClient } from "../log/libsql/open.ts";
import type { LogStore } from "../log/port.ts";
import type { ScheduleTimes } from "../scheduler/spec.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import { storePerCall } from "./call-store.ts";
import { drainInIsolate } from "./drain.ts";
import type { EngineOptions as LocalEngineOptions } from "./local.ts";
import { fetchOutbound } from "./outbound.ts";
import { jsonLogger, systemClock, systemRandom } from "./system.ts";

/** Options of `createEngine` in an isolate. */
export interface EngineOptions<Env = unknown>
  extends Omit<LocalEngineOptions<Env>, "db" | "file" | "worker" | "secrets"> {
  /** Finds the secrets that hooks and endpoints name by `env("NAME")`. @default the texts of the option `env` */
  readonly secrets?: SecretResolver;
  /** The address of a libSQL server: `libsql:`, `https:` or `http:`. */
  readonly db: string;
  /**
   * Lets the isolate finish what it is given although the request has been answered or given up. On Cloudflare
   * `waitUntil` of `cloudflare:workers`, on Vercel of `@vercel/functions`. Ticks and writes are given to it, so that a
   * caller who hangs up does not leave runs to wait for the end of a lease.
   */
  readonly waitUntil?: (work: Promise<unknown>) => void;
  /**
   * `scheduleTimes` of varve, for schedules that are made at run time only: those in code bring it along. Without either, the
   * isolate carries nothing that computes timetables.
   */
  readonly times?: ScheduleTimes;
}

/**
 * An engine for an isolate. It does nothing between calls: a request or a cron event wakes it with
 * `engine.tick({ budgetMs })`, which does what is due. It may be made once for all requests, also outside of any, because
 * it does no I/O before it is used; requests share nothing that one of them would have to wait for.
 *
 * @throws DefinitionError
 * @example
 * import { env, waitUntil } from "cloudflare:workers";
 *
 * const engine = await createEngine({ db: env.DB_URL, authToken: env.DB_TOKEN, workflows: [fulfil], waitUntil });
 * export default {
 *   async fetch(request) {
 *     const run = await engine.start(fulfil, await request.json());
 *     waitUntil(engine.tick({ budgetMs: 10_000 }));
 *     return Response.json({ id: run.id }, { status: 202 });
 *   },
 *   scheduled: () => engine.tick({ budgetMs: 25_000 }),
 * };
 */
export async function createEngine<Env = unknown>(options: EngineOptions<Env>): Promise<Engine> {
  const {
    workflows,
    hooks = [],
    notify = [],
    schedules,
    times,
    env,
    limits = {},
    queues = {},
    resume,
    retention = {},
  } = options;
  const { secrets = secretsIn(env), waitUntil = () => {} } = options;
  const ports: Ports = {
    clock: systemClock,
    random: systemRandom,
    drain: drainInIsolate,
    logger: options.logger ?? consoleLogger,
  };
  const keep = <T>(work: Promise<T>): Promise<T> => {
    // What becomes of it is told to the caller alone.
    waitUntil(work.catch(() => {}));
    return work;
  };
  const store = openStore(options, ports);
  const append: LogStore["append"] = (write) => keep(store.append(write));
  const decideDelivery: LogStore["decideDelivery"] = (verdict) => keep(store.decideDelivery(verdict));
  const kept = { ...store, append, decideDelivery };
  const own = { store: kept, ports, outbound: fetchOutbound, secrets, retention, isolated: true };
  const given = { resume, schedules, times, messages: options.messages };
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const engine = await createEngineOf({ ...own, workflows, hooks, notify, env, limits, queues, ...defined });
  const tick = engine.tick.bind(engine);
  engine.tick = (budget) => keep(tick(budget));
  return engine;
}

/** The texts among the bindings of an isolate: it has no other environment. */
function secretsIn(env: unknown): SecretResolver {
  return (name) => {
    if (typeof env !== "object" || env === null || !Object.hasOwn(env, name)) return undefined;
    const found = (env as Record<string, unknown>)[name];
    return typeof found === "string" ? found : undefined;
  };
}

function openStore({ db: url, authToken }: Pick<EngineOptions, "db" | "authToken">, ports: Ports): LogStore {
  if (filePath(url) !== null) {
    throw new DefinitionError(
      "DATABASE_URL_INVALID",
      `expected the address of a libSQL server ("libsql://...", "https://..."), but found ${JSON.stringify(url)}: an isolate has no files`,
      { url },
    );
  }
  const config = authToken === undefined ? { url } : { url, authToken };
  return storePerCall(
    () => new Database({ client: remoteClient(createClient, config), kind: "remote", name: url, ports }),
  );
}

// biome-ignore lint/suspicious/noConsole: an isolate has no other place for its log lines
const consoleLogger = jsonLogger("warn", (line) => console.error(line));
