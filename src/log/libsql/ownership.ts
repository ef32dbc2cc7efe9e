/**
 * Who owns a database file: whoever holds the exclusive lock on a file beside it, `<db>-owner`, itself a SQLite file.
 * The operating system gives the lock back when its holder dies, however it dies, so holding it proves that no earlier
 * worker of the database lives (DESIGN.md section 3, "File ownership").
 */
import type { Client } from "@libsql/client";
import { DatabaseOwnedError } from "../../kernel/errors.ts";
import { isBusy } from "./errors.ts";

/** The lock, held. */
export interface Ownership {
  release(): Promise<void>;
}

/** With this locking mode the lock of the first write is kept until the connection gives it back. */
const KEEP_LOCKS = "PRAGMA locking_mode = EXCLUSIVE";

/** A journal file would be left beside the database by a killed process. */
const NO_JOURNAL_FILE = "PRAGMA journal_mode = MEMORY";

const TAKE_LOCK = [
  "CREATE TABLE IF NOT EXISTS owner (id INTEGER PRIMARY KEY) STRICT",
  "REPLACE INTO owner (id) VALUES (1)",
];

/** The mode takes effect, and the lock goes, with the next statement that reads. */
const GIVE_BACK = ["PRAGMA locking_mode = NORMAL", "SELECT id FROM owner"];

/**
 * Takes the lock.
 *
 * @param client a client of the file `<path>-owner`, with one connection
 * @throws DatabaseOwnedError `DATABASE_OWNED`
 */
export async function takeOwnership(client: Client, path: string): Promise<Ownership> {
  try {
    await client.execute(KEEP_LOCKS);
    await client.execute(NO_JOURNAL_FILE);
    await client.batch(TAKE_LOCK, "write");
  } catch (error) {
    client.close();
    if (isBusy(error)) throw owned(path, error);
    throw error;
  }
  return {
    release: async () => {
      // Closing is not enough: the driver lets go of its files when it is garbage collected.
      for (const statement of GIVE_BACK) await client.execute(statement);
      client.close();
    },
  };
}

function owned(path: string, cause: unknown): DatabaseOwnedError {
  return new DatabaseOwnedError(
    "DATABASE_OWNED",
    `expected to own the database file ${path}, but another process does; stop it, speak to it over HTTP, or open the file with file: "shared" in both`,
    { path },
    { cause },
  );
}
