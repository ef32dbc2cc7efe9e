/** What Node, Deno and Bun share: an engine on an embedded file or a libSQL server, in a process that stays. */
import type { Workflow } from "../ctx/workflow.ts";
import type { Engine } from "../engine/api.ts";
import { createEngineOf } from "../engine/engine.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Drain, Logger, Ports } from "../kernel/ports.ts";
import type { ResumeOptions } from "../kernel/resume.ts";
import { openLog } from "../log/libsql/open.ts";
import type { LogStore } from "../log/port.ts";
import type { NotifyEndpoint } from "../outgoing/notify.ts";
import type { Hook } from "../triggers/hook.ts";
import type { WorkerOptions } from "../worker/options.ts";
import { addressesOf } from "./addresses.ts";
import { clientFor } from "./file-client.ts";
import { outboundOf } from "./outbound.ts";
import { systemClock, systemRandom } from "./system.ts";

/** Options of `createEngine` in a process. */
export interface EngineOptions<Env = unknown> {
  /** `file:path`, or the address of a libSQL server (`libsql:`, `http:`, `https:`). */
  readonly db: string;
  /** For a server that asks for it. */
  readonly authToken?: string;
  /** `owned`: this process alone writes the file. `shared`: several processes do, more slowly. @default "owned" */
  readonly file?: "owned" | "shared";
  readonly workflows: readonly Workflow<never, unknown, Env, never>[];
  /** Webhooks that start runs. */
  readonly hooks?: readonly Hook[];
  /** Outgoing webhooks: who is told of which events. A process without a worker sends none. */
  readonly notify?: readonly NotifyEndpoint[];
  /** Given to step bodies: clients, secrets. Never to workflow functions. */
  readonly env?: Env;
  readonly limits?: Partial<Limits>;
  /** How `ctx.resumeUrl` makes addresses, and which secrets sign them. @default it makes none */
  readonly resume?: ResumeOptions;
  /** The worker of this engine; false: none, call `engine.work` for one. */
  readonly worker?: WorkerOptions | false;
  /** Where log lines go. @default warnings and errors to stderr */
  readonly logger?: Logger;
}

/** What differs between the runtimes. */
export interface Surroundings {
  readonly drain: Drain;
  /** Names this process, for worker ids: `host:pid`. */
  readonly label: string;
  /** Keeps the process alive until the returned function is called. */
  readonly keepAlive: () => () => void;
  readonly stderr: Logger;
}

export async function createLocalEngine<Env>(surroundings: Surroundings, options: EngineOptions<Env>): Promise<Engine> {
  const { workflows, hooks = [], notify = [], env, limits = {}, resume } = options;
  const ports: Ports = {
    clock: systemClock,
    random: systemRandom,
    drain: surroundings.drain,
    logger: options.logger ?? surroundings.stderr,
  };
  const { db: url, authToken, file } = options;
  const store = await openLog(
    clientFor,
    { url, ...(authToken === undefined ? {} : { authToken }), ...(file === undefined ? {} : { file }) },
    ports,
  );
  const outbound = outboundOf(addressesOf);
  const defined = { workflows, hooks, notify, env, limits, ...(resume === undefined ? {} : { resume }) };
  const parts = { store, ports, outbound, ...defined };
  const engine = await closingOnFailure(store, createEngineOf(parts));
  const letGo = surroundings.keepAlive();
  const close = engine.close.bind(engine);
  engine.close = async (closing) => {
    await close(closing);
    letGo();
  };
  const work = engine.work.bind(engine);
  engine.work = (working) => work({ label: surroundings.label, ...working });
  if (options.worker !== false) await closingOnFailure(engine, engine.work(options.worker));
  return engine;
}

/** A definition or an option that is refused must not leave the file locked, nor keep the process. */
async function closingOnFailure<T>(opened: Pick<LogStore, "close">, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    await opened.close();
    throw error;
  }
}
