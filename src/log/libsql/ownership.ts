/**
 * Who may write a database file: either one owner, or any number of processes that share it. It is decided by locks on a
 * file beside it, `<db>-owner`, itself an empty SQLite file: the owner holds its exclusive lock, sharers hold shared ones.
 * So the two ways never mix: the owner runs in WAL, where a second writing process can meet the WAL-reset bug of this
 * SQLite, and sharers run on a rollback journal.
 *
 * The operating system gives a lock back when its holder dies, however it dies. So holding the exclusive one proves that
 * no earlier worker of the database lives.
 *
 * I1 The locks are those of open transactions that write nothing: no journal file is left by a killed process.
 * I2 A refused attempt leaves no lock behind. A failed COMMIT would (with `locking_mode = EXCLUSIVE` it leaves a pending
 *    lock until the driver's connection is garbage collected); a failed `BEGIN EXCLUSIVE` does not.
 */
import type { Client, Transaction } from "@libsql/client";
import { DatabaseOwnedError } from "../../kernel/errors.ts";
import { isBusy } from "./errors.ts";

/** How a process means to use a file. `owned`: it alone writes. `shared`: several processes do. */
export type FileUse = "owned" | "shared";

/** The lock, held. */
export interface Ownership {
  release(): Promise<void>;
}

/** Run within a transaction that has not begun to read, because the client knows no exclusive ones. */
const BEGIN_EXCLUSIVE = "ROLLBACK; BEGIN EXCLUSIVE";

/** A transaction takes its shared lock when it reads. */
const READ_ANYTHING = "SELECT count(*) FROM sqlite_schema";

/**
 * Takes the lock.
 *
 * @param client a client of the file `<path>-owner`, with one connection and no time-out; closed with the lock
 * @throws DatabaseOwnedError `DATABASE_OWNED`
 */
export async function takeOwnership(client: Client, path: string, use: FileUse): Promise<Ownership> {
  let lock: Transaction | null = null;
  try {
    lock = await client.transaction("deferred");
    if (use === "owned") await lock.executeMultiple(BEGIN_EXCLUSIVE);
    else await lock.execute(READ_ANYTHING);
  } catch (error) {
    lock?.close();
    client.close();
    throw isBusy(error) ? owned(path, use, error) : error;
  }
  const held = lock;
  return {
    release: async () => {
      // Closing is not enough: the driver lets go of its files when it is garbage collected.
      await held.rollback();
      client.close();
    },
  };
}

function owned(path: string, use: FileUse, cause: unknown): DatabaseOwnedError {
  const found =
    use === "owned"
      ? "expected to own the database file, but another process owns it or shares it"
      : "expected to share the database file, but another process owns it";
  return new DatabaseOwnedError(
    "DATABASE_OWNED",
    `${found}: ${path}; stop it, speak to it over HTTP, or open the file with file: "shared" in both`,
    { path, use },
    { cause },
  );
}
