/**
 * The way to a log: a server that is named, the server that owns the file, or the file itself.
 *
 * A1 A file that a process owns is written by that process alone: others ask it over HTTP, or only read.
 * A2 What owns a file is asked for, never assumed: see `owner-record.ts`.
 */
import process from "node:process";
import type { Client } from "../client/client.ts";
import type { Engine } from "../engine/api.ts";
import { DatabaseOwnedError, DefinitionError, isVarveError, type VarveError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/ports.ts";
import type { ResumeOptions } from "../kernel/resume.ts";
import { shownAddress } from "../kernel/text.ts";
import type { Reader } from "../runtime/read-only.ts";
import type { Loaded } from "./load.ts";
import { liveOwner } from "./owner-record.ts";
import type { Target } from "./verb.ts";

/** A log that is open. */
export interface Access<Interface> {
  readonly engine: Interface;
  /** How it was reached, for people. */
  readonly via: string;
  readonly close: () => Promise<void>;
}

/** For reading: asks the server if there is one, else reads the database. */
export async function openForReading(target: Target): Promise<Access<Reader>> {
  const server = await findServer(target);
  if (server !== null) return server;
  const { openReadOnly } = await import("../runtime/read-only.ts");
  const { engine, close } = await openReadOnly(readOptions(target));
  return { engine, via: shownAddress(target.db), close };
}

/** What of an engine tells runs something. */
export type Writer = Pick<Engine, "run" | "list" | "bulk" | "publish" | "notifications" | "schedules" | "queues">;

/** A log that can be written. */
export interface WriteAccess extends Omit<Access<Writer>, "via"> {
  /** Who checks what runs are told by their workflows' schemas: the server, these modules, or nobody. */
  readonly checkedBy: "server" | Loaded | null;
}

/**
 * For telling runs something: asks the server if there is one, else writes the database, which must be there. `load`:
 * modules for their schemas, if the database is written here.
 */
export async function openForWriting(
  target: Target,
  load: () => Promise<Loaded | null> = async () => null,
): Promise<WriteAccess> {
  const server = await findServer(target);
  if (server !== null) return { ...server, checkedBy: "server" };
  // For reading first: to tell a run something must not make a database.
  const { openReadOnly } = await import("../runtime/read-only.ts");
  await (await openReadOnly(readOptions(target))).close();
  const loaded = await load();
  const engine = await openEngine(target, { ...(loaded === null ? {} : { loaded }), works: false });
  return { engine, checkedBy: loaded, close: () => engine.close() };
}

/** The server that is named, or that owns the file; null: there is none. */
export async function findServer(target: Target): Promise<Access<Client> | null> {
  if (target.url !== undefined) return await connect(target.url, target.key);
  const { databasePath } = await import("../runtime/read-only.ts");
  const path = databasePath(target.db);
  const owner = path === null ? null : await liveOwner(path);
  return owner === null ? null : await connect(owner.url, target.key);
}

async function connect(url: string, key: string | undefined): Promise<Access<Client>> {
  const { createClient } = await import("../runtime/client.ts");
  const client = createClient({ url, ...(key === undefined ? {} : { key }) });
  return { engine: client, via: url, close: async () => {} };
}

export interface EngineSetup {
  readonly loaded?: Loaded;
  /** Whether runs are worked on here. */
  readonly works: boolean;
  /** The queues whose runs are. @default all */
  readonly serves?: readonly string[];
  /** Whether the modules are all that there are: then schedules that they lack have left the code. @default false */
  readonly declares?: boolean;
  readonly logger?: Logger;
}

/**
 * The engine of this process over the database itself.
 *
 * @throws DatabaseOwnedError when another process owns the file
 */
export async function openEngine(
  target: Target,
  { loaded, works, serves, declares = false, logger }: EngineSetup,
): Promise<Engine> {
  const { createEngine } = await import("../runtime/node.ts");
  const { db, dbToken, shared } = target;
  const resume = resumeOptions();
  try {
    return await createEngine({
      db,
      ...(dbToken === undefined ? {} : { authToken: dbToken }),
      file: shared ? "shared" : "owned",
      workflows: loaded?.workflows ?? [],
      hooks: loaded?.hooks ?? [],
      notify: loaded?.notify ?? [],
      ...(declares ? { schedules: loaded?.schedules ?? [] } : {}),
      queues: loaded?.queues ?? {},
      env: loaded?.env,
      ...(resume === null ? {} : { resume }),
      ...(works ? {} : { worker: false }),
      ...(serves === undefined ? {} : { worker: { queues: serves } }),
      ...(logger === undefined ? {} : { logger }),
    });
  } catch (error) {
    throw isVarveError(error, "DATABASE_OWNED") ? await owned(error, db) : error;
  }
}

/** What `ctx.resumeUrl` needs, from the environment: a command line is seen by every user of its machine. */
function resumeOptions(): ResumeOptions | null {
  const { VARVE_RESUME_URL: baseUrl = "", VARVE_RESUME_SECRET: secret = "" } = process.env;
  if (baseUrl === "" && secret === "") return null;
  if (baseUrl !== "" && secret !== "") return { baseUrl, secret: secret.split(/[\s,]+/).filter((each) => each !== "") };
  throw new DefinitionError(
    "RESUME_INCOMPLETE",
    `expected VARVE_RESUME_URL and VARVE_RESUME_SECRET to be set together, but found ${baseUrl === "" ? "the secret" : "the address"} alone`,
  );
}

/** Who the owner is, and what to do. */
async function owned(cause: VarveError, db: string): Promise<DatabaseOwnedError> {
  const { databasePath } = await import("../runtime/read-only.ts");
  const owner = await liveOwner(databasePath(db) ?? "");
  const who =
    owner === null
      ? "another process owns it, and no Varve server answers for it: name its server by --url, or stop it"
      : `the server at ${owner.url} (pid ${owner.pid}) owns it: stop it for as long as this takes`;
  return new DatabaseOwnedError(
    "DATABASE_OWNED",
    `expected to write ${db}, but ${who}; reading works meanwhile`,
    { ...cause.facts, ...(owner === null ? {} : { address: owner.url, pid: owner.pid }) },
    { cause },
  );
}

export function readOptions({ db, dbToken }: Target): { readonly db: string; readonly authToken?: string } {
  return dbToken === undefined ? { db } : { db, authToken: dbToken };
}
