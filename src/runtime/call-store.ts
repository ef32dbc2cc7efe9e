/**
 * The log as an isolate may use it: each call has a client of its own, which is closed when the call is over.
 *
 * A client that requests share would make them wait for each other: its limiter queues the 21st call until an earlier
 * one ends, whoever made that, and workerd cancels or hangs a request that waits for the I/O of another. A client holds
 * no connection (that is the runtime's), so one more costs microseconds.
 *
 * I1 What calls share is data, never a promise.
 * I2 The schema is brought up to date by the first call, not when the engine is made: an isolate may do no I/O outside
 *    requests. Calls that come first together each do it, which is safe (see `migrate.ts`).
 */
import type { Database } from "../log/libsql/database.ts";
import { migrate } from "../log/libsql/migrate.ts";
import { libsqlStore } from "../log/libsql/store.ts";
import type { LogStore } from "../log/port.ts";

type Call = (...args: unknown[]) => Promise<unknown>;

/** @param connect a database that nobody else has; must do no I/O by itself */
export function storePerCall(connect: () => Database): LogStore {
  let isMigrated = false;
  const call = async (method: string, args: unknown[]): Promise<unknown> => {
    const db = connect();
    try {
      if (!isMigrated) await migrate(db);
      isMigrated = true;
      return await methodOf(libsqlStore(db), method)(...args);
    } finally {
      await db.close();
    }
  };
  const pattern = libsqlStore(connect());
  const calls = Object.entries(pattern).map(([name, member]) => [
    name,
    typeof member === "function" ? (...args: unknown[]) => call(name, args) : member,
  ]);
  return { ...Object.fromEntries(calls), close: async () => {} } as LogStore;
}

function methodOf(store: LogStore, name: string): Call {
  // Which method it is, only the caller knows: with it come the arguments.
  return store[name as keyof LogStore] as Call;
}
