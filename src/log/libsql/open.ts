/** Opens a log: finds out what kind of database it is, takes ownership of a file, brings the schema up to date. */
import type { Client, Config } from "@libsql/client";
import { DefinitionError } from "../../kernel/errors.ts";
import type { Ports } from "../../kernel/ports.ts";
import type { LogStore } from "../port.ts";
import { endAllLeases } from "./claim.ts";
import { BUSY_TIMEOUT_MS, Database, type DatabaseKind } from "./database.ts";
import { migrate } from "./migrate.ts";
import { takeOwnership } from "./ownership.ts";
import { libsqlStore } from "./store.ts";

export interface OpenOptions {
  /** `file:path`, or the address of a libSQL server: `libsql:`, `http:` or `https:`. */
  readonly url: string;
  readonly authToken?: string;
  /** `owned`: this process alone writes the file. `shared`: several processes do. @default "owned" */
  readonly file?: "owned" | "shared";
}

/** The client of one runtime. */
export type CreateClient = (config: Config) => Client;

/** Opens the log at `url`. */
export async function openLog(createClient: CreateClient, options: OpenOptions, ports: Ports): Promise<LogStore> {
  const path = filePath(options.url);
  if (path === null) return libsqlStore(await migrated(remote(createClient, options, ports)));
  if (options.file === "shared") return libsqlStore(await migrated(local(createClient, path, "shared-file", ports)));
  return await openOwned(createClient, path, ports);
}

/** Opens somebody else's file for reading. */
export function openForeign(
  createClient: CreateClient,
  options: Pick<OpenOptions, "url" | "authToken">,
  ports: Ports,
): Database {
  const path = filePath(options.url);
  return path === null ? remote(createClient, options, ports) : local(createClient, path, "foreign-file", ports);
}

async function openOwned(createClient: CreateClient, path: string, ports: Ports): Promise<LogStore> {
  const lock = createClient({ url: `file:${path}-owner`, concurrency: 1, timeout: 0 });
  const ownership = await takeOwnership(lock, path);
  try {
    const db = await migrated(local(createClient, path, "owned-file", ports));
    await endAllLeases(db);
    const store = libsqlStore(db);
    return {
      ...store,
      close: async () => {
        await store.close();
        await ownership.release();
      },
    };
  } catch (error) {
    await ownership.release();
    throw error;
  }
}

function local(createClient: CreateClient, path: string, kind: DatabaseKind, ports: Ports): Database {
  const client = createClient({ url: `file:${path}`, concurrency: 1, timeout: BUSY_TIMEOUT_MS });
  return new Database({ client, kind, ports });
}

function remote(createClient: CreateClient, options: OpenOptions, ports: Ports): Database {
  const { url, authToken } = options;
  const client = createClient(authToken === undefined ? { url } : { url, authToken });
  return new Database({ client, kind: "remote", ports });
}

async function migrated(db: Database): Promise<Database> {
  try {
    await migrate(db);
    return db;
  } catch (error) {
    await db.close();
    throw error;
  }
}

const SERVER_SCHEMES = ["libsql:", "http:", "https:"];

/**
 * The path in a `file:` URL; null for a server's.
 *
 * @throws DefinitionError `DATABASE_URL_INVALID`
 */
export function filePath(url: string): string | null {
  const match = /^([a-z][a-z0-9+.-]*:)(.*)$/is.exec(url);
  const [, scheme = "", rest = ""] = match ?? [];
  if (SERVER_SCHEMES.includes(scheme.toLowerCase())) return null;
  if (scheme.toLowerCase() === "file:" && rest !== "" && !/[?#]/.test(rest)) return rest.replace(/^\/\/(?=\/)/, "");
  throw new DefinitionError(
    "DATABASE_URL_INVALID",
    `expected the database as "file:path" or as the address of a libSQL server ("libsql://...", "https://..."), but found ${JSON.stringify(url)}`,
    { url },
  );
}
