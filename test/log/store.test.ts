import { createClient } from "@libsql/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Database, type DatabaseKind } from "../../src/log/libsql/database.ts";
import { migrate } from "../../src/log/libsql/migrate.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import { type FaultKind, type FaultProxy, startFaultProxy } from "../support/fault-proxy.mjs";
import { manualClock, realPorts } from "../support/ports.ts";
import { logContract } from "./contract.ts";
import type { OpenedLog } from "./hand.ts";
import { openFile } from "./open.ts";
import { type ServerProcess, startServerProcess } from "./server-process.ts";

async function openedFile(kind: DatabaseKind): Promise<OpenedLog> {
  const clock = manualClock();
  const { store } = await openFile(kind, { ports: { ...realPorts(), clock } });
  return { store, pass: async (ms) => clock.advance(ms) };
}

describe("the in-memory log", () => {
  logContract(async () => {
    const clock = manualClock();
    return { store: memoryStore(clock), pass: async (ms) => clock.advance(ms) };
  });
});

describe("the log in an owned file", () => {
  logContract(() => openedFile("owned-file"));
});

describe("the log in a shared file", () => {
  logContract(() => openedFile("shared-file"));
});

describe("the log on a libSQL server", () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startServerProcess();
    return () => server.stop();
  });

  logContract(() => openedServer(server, server.url));
});

/** What happens to the writes of a test, in turn. */
const FAULTS: readonly FaultKind[] = ["drop-reply", "drop-request", "duplicate"];

describe("the log on a libSQL server behind a network that breaks every write once", () => {
  let server: ServerProcess;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await startServerProcess();
    proxy = await startFaultProxy({ target: server.url });
  });
  afterAll(async () => {
    await proxy.close();
    await server.stop();
  });

  logContract(async () => {
    const opened = await openedServer(server, proxy.url);
    return { ...opened, store: broken(opened.store, proxy) };
  });

  it("has met every kind of fault, and none is left to come", () => {
    const { applied, pending } = proxy;
    for (const kind of FAULTS) expect(applied[kind]).toBeGreaterThan(10);
    expect(pending).toBe(0);
  });
});

async function openedServer(server: ServerProcess, url: string): Promise<OpenedLog> {
  const db = new Database({ client: createClient({ url }), kind: "remote", name: url, ports: realPorts() });
  await migrate(db);
  await server.wipe();
  const store = libsqlStore(db);
  return { store, pass: (ms) => passed(store, ms) };
}

/** The server's clock cannot be moved, only asked. */
async function passed(store: LogStore, ms: number): Promise<void> {
  const until = (await store.now()) + ms;
  while ((await store.now()) < until) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The log as its users have it: what got no answer is sent again. */
function broken(store: LogStore, proxy: FaultProxy): LogStore {
  let writes = 0;
  const breaking =
    <A, R>(call: (arg: A) => Promise<R>) =>
    async (arg: A): Promise<R> => {
      const kind = FAULTS[writes++ % FAULTS.length] as "drop-reply" | "drop-request" | "duplicate";
      void proxy.plan({ kind, match: (body) => body.includes("BEGIN") });
      for (;;) {
        try {
          return await call(arg);
        } catch (error) {
          if ((error as { code?: string }).code !== "STORE_UNAVAILABLE") throw error;
        }
      }
    };
  // A put says whether it was this try that was taken, so what it says is looked at without faults.
  const { append, reopen, requestLock, changeSchedule, createSchedule } = store;
  const { publishMessage, dispatchMessage, requestWait, expireWait } = store;
  return {
    ...store,
    append: breaking(append),
    reopen: breaking(reopen),
    requestLock: breaking(requestLock),
    changeSchedule: breaking(changeSchedule),
    createSchedule: breaking(createSchedule),
    publishMessage: breaking(publishMessage),
    dispatchMessage: breaking(dispatchMessage),
    requestWait: breaking(requestWait),
    expireWait: breaking(expireWait),
  };
}
