/** Opens a log: finds out what kind of database it is, takes ownership of a file, brings the schema up to date. */
import type { Client, Config } from "@libsql/client";
import { DefinitionError } from "../../kernel/errors.ts";
import { invalidOption } from "../../kernel/options.ts";
import type { Ports } from "../../kernel/ports.ts";
import { shownAddress } from "../../kernel/text.ts";
import type { LogStore } from "../port.ts";
import { endAllLeases } from "./claim.ts";
import { BUSY_TIMEOUT_MS, Database, type DatabaseKind } from "./database.ts";
import { storeError } from "./errors.ts";
import { migrate } from "./migrate.ts";
import { type FileUse, takeOwnership } from "./ownership.ts";
import { libsqlStore } from "./store.ts";

export interface OpenOptions {
  /** `file:path`, or the address of a libSQL server: `libsql:`, `http:` or `https:`. */
  readonly url: string;
  readonly authToken?: string;
  /** `owned`: this process alone writes the file. `shared`: several processes do. @default "owned" */
  readonly file?: FileUse;
}

/** The clients of one runtime. `kind`: what the database is used for; none for a file that is only a lock. */
export type CreateClient = (config: Config, kind?: DatabaseKind) => Client;

/**
 * Opens the log at `url`.
 *
 * @throws DatabaseOwnedError `DATABASE_OWNED`; StoreError, naming the database; DefinitionError `DATABASE_URL_INVALID`
 */
export async function openLog(createClient: CreateClient, options: OpenOptions, ports: Ports): Promise<LogStore> {
  const path = filePath(options.url);
  if (path === null) return libsqlStore(await migrated(remote(createClient, options, ports)));
  const { file = "owned" } = options;
  if (file !== "owned" && file !== "shared") throw invalidOption("file", '"owned" or "shared"', file);
  return await openFile(createClient, path, file, ports);
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

async function openFile(createClient: CreateClient, path: string, use: FileUse, ports: Ports): Promise<LogStore> {
  const db = local(createClient, path, use === "owned" ? "owned-file" : "shared-file", ports);
  const ownership = await closingOnFailure(db, async () => {
    const realPath = await realPathOf(db);
    const lock = fileClient(createClient, `${realPath}-owner`, 0);
    return await takeOwnership(lock, realPath, use);
  });
  try {
    await migrated(db);
    if (use === "owned") await endAllLeases(db);
  } catch (error) {
    await db.close();
    await ownership.release();
    throw error;
  }
  const store = libsqlStore(db);
  return {
    ...store,
    close: async () => {
      await store.close();
      await ownership.release();
    },
  };
}

/** One lock for one file, by whatever path it was opened: SQLite follows symbolic links and knows where it ended. */
async function realPathOf(db: Database): Promise<string> {
  const [main] = await db.beforeUse("PRAGMA database_list");
  return main?.file as string;
}

function local(createClient: CreateClient, path: string, kind: DatabaseKind, ports: Ports): Database {
  return new Database({ client: fileClient(createClient, path, BUSY_TIMEOUT_MS, kind), kind, name: path, ports });
}

/** A file's client opens it at once, so it fails where a server's would not. */
function fileClient(createClient: CreateClient, path: string, timeout: number, kind?: DatabaseKind): Client {
  try {
    return createClient({ url: `file:${path}`, concurrency: 1, timeout }, kind);
  } catch (error) {
    throw storeError(error, { isRemote: false, name: path });
  }
}

function remote(createClient: CreateClient, options: OpenOptions, ports: Ports): Database {
  const { url, authToken } = options;
  const client = remoteClient(createClient, authToken === undefined ? { url } : { url, authToken });
  return new Database({ client, kind: "remote", name: url, ports });
}

/** What a header can hold: the error of one that cannot would show it. */
const TOKEN = /^[\x21-\x7e]*$/;

/**
 * A client of a server, which sends nothing by itself.
 *
 * @throws DefinitionError `DATABASE_URL_INVALID`, `OPTION_INVALID`
 */
export function remoteClient(createClient: CreateClient, config: Pick<Config, "url" | "authToken">): Client {
  const { url, authToken = "" } = config;
  if (typeof authToken !== "string" || !TOKEN.test(authToken.trim())) {
    throw invalidOption("authToken", "a text as a header can hold it, on one line", null);
  }
  try {
    return createClient(config);
  } catch (error) {
    // Its text shows what it does not like, and it is no cause that may be told: that may be a token.
    const { code } = error as { readonly code?: unknown };
    const shown = shownAddress(url);
    throw new DefinitionError(
      "DATABASE_URL_INVALID",
      `expected an address of a libSQL server that its client takes, but found ${JSON.stringify(shown)}: ${String(code ?? "refused")}`,
      { url: shown },
    );
  }
}

async function migrated(db: Database): Promise<Database> {
  await closingOnFailure(db, () => migrate(db));
  return db;
}

async function closingOnFailure<T>(db: Database, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
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
  if (scheme.toLowerCase() === "file:" && isPath(rest)) return rest.replace(/^\/\/(?=\/)/, "");
  const shown = shownAddress(String(url));
  throw new DefinitionError(
    "DATABASE_URL_INVALID",
    `expected the database as "file:path" or as the address of a libSQL server ("libsql://...", "https://..."), but found ${JSON.stringify(shown)}`,
    { url: shown },
  );
}

/** SQLite's name for a database in memory is none: what was logged there would be gone with the process. */
function isPath(rest: string): boolean {
  return rest !== "" && rest !== ":memory:" && !/[?#]/.test(rest);
}
