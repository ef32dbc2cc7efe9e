/** What Node, Deno and Bun share: an engine on an embedded file or a libSQL server, in a process that stays. */
import type { Workflow } from "../ctx/workflow.ts";
import type { Engine } from "../engine/api.ts";
import { createEngineOf } from "../engine/engine.ts";
import type { MessagesOptions } from "../engine/messages.ts";
import type { RetentionOptions } from "../engine/retention.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Drain, Logger, Ports } from "../kernel/ports.ts";
import type { Queues } from "../kernel/queues.ts";
import type { ResumeOptions } from "../kernel/resume.ts";
import { openLog } from "../log/libsql/open.ts";
import type { LogStore } from "../log/port.ts";
import type { NotifyEndpoint } from "../outgoing/notify.ts";
import type { ScheduleDefinition } from "../scheduler/definition.ts";
import { scheduleTimes } from "../scheduler/times.ts";
import type { Hook } from "../triggers/hook.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import type { WorkerOptions } from "../worker/options.ts";
import { checkedOutbound } from "./checked-outbound.ts";
import { clientFor } from "./file-client.ts";
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
  /**
   * Schedules. One that was given before, of a workflow that is given now, and is not given any more, is paused; without this
   * option nothing is said of any.
   */
  readonly schedules?: readonly ScheduleDefinition[];
  /** Finds the secrets that hooks and endpoints name by `env("NAME")`. @default the variables of the environment */
  readonly secrets?: SecretResolver;
  /** For how long the log keeps what is needed for a look back. */
  readonly retention?: RetentionOptions;
  /** Outgoing webhooks: who is told of which events. A process without a worker sends none. */
  readonly notify?: readonly NotifyEndpoint[];
  /** Given to step bodies: clients, secrets. Never to workflow functions. */
  readonly env?: Env;
  readonly limits?: Partial<Limits>;
  /** Queues of workflows, by name: how many of their runs are worked on at once. */
  readonly queues?: Queues;
  /** How `ctx.resumeUrl` makes addresses, and which secrets sign them. @default it makes none */
  readonly resume?: ResumeOptions;
  /** How long messages are kept. */
  readonly messages?: MessagesOptions;
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
  /** The environment. */
  readonly secrets: SecretResolver;
}

export async function createLocalEngine<Env>(surroundings: Surroundings, options: EngineOptions<Env>): Promise<Engine> {
  // Before anything is waited for: a timer of ours keeps no process alive, and a file that is busy would end it silently.
  const letGo = surroundings.keepAlive();
  try {
    return await openEngine(surroundings, options, letGo);
  } catch (error) {
    letGo();
    throw error;
  }
}

async function openEngine<Env>(
  surroundings: Surroundings,
  options: EngineOptions<Env>,
  letGo: () => void,
): Promise<Engine> {
  const {
    workflows,
    hooks = [],
    notify = [],
    schedules,
    env,
    limits = {},
    queues = {},
    resume,
    retention = {},
  } = options;
  const { secrets = surroundings.secrets } = options;
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
  const given = {
    ...(resume === undefined ? {} : { resume }),
    ...(schedules === undefined ? {} : { schedules }),
    ...(options.messages === undefined ? {} : { messages: options.messages }),
  };
  const known = { store, ports, outbound: checkedOutbound(), times: scheduleTimes, retention, secrets };
  const parts = { ...known, workflows, hooks, notify, env, limits, queues, ...given };
  const engine = await closingOnFailure(store, createEngineOf(parts));
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
