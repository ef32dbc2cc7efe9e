/**
 * Random calls, in an order that a seed decides: the reference and a file give the same answers, and hold the same. Many of
 * the calls are stale, late, or sent again.
 */
import { describe, expect, it } from "vitest";
import { RUN_STATUSES } from "../../src/kernel/state.ts";
import { memoryStore } from "../../src/log/memory.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { InboxMessage, MessageKind } from "../../src/log/port-inbox.ts";
import type { RunRow } from "../../src/log/port-runs.ts";
import type { Beyond, LogWrite, RunAppend } from "../../src/log/port-write.ts";
import { Prng } from "../../src/testing/prng.ts";
import { manualClock, realPorts } from "../support/ports.ts";
import { append, beyond, created, start } from "./hand.ts";
import { openFile } from "./open.ts";
import { eventOf, moved, PROGRAM } from "./writes.ts";

const SEEDS = 12;
const CALLS = 121;
/** What one call breaks is still there some calls later. */
const LOOK_EVERY = 6;

const RUNS = ["run_1", "run_2", "run_3", "run_4", "run_5", "run_6"] as const;
const WORKERS = ["w1", "w2"] as const;
const CALL_KEYS = ["c1", "c2", "c3"] as const;
const NAMES = ["n1", "n2"] as const;
const KEYS = ["k1", "k2"] as const;
const KINDS: readonly MessageKind[] = ["cancel", "terminate", "pause", "resume", "signal", "child", "lock"];
const LEASE_MS = 1_000;

/** A call of the log: it can be made of either store, and again. */
type Call = (store: LogStore) => Promise<unknown>;

/** Draws calls that often fit what the log holds, and often do not. */
class Caller {
  readonly #prng: Prng;
  readonly #past: Call[] = [];
  #tokens = 0;
  #turns = 0;

  constructor(seed: string) {
    this.#prng = new Prng(seed);
  }

  next(rows: ReadonlyMap<string, RunRow>): Call {
    const prng = this.#prng;
    if (this.#past.length > 0 && prng.chance(0.15)) return prng.pick(this.#past.slice(-30));
    const call = this.#fresh(rows);
    this.#past.push(call);
    return call;
  }

  #fresh(rows: ReadonlyMap<string, RunRow>): Call {
    const prng = this.#prng;
    const operation = this.#operation(rows);
    switch (prng.weighted({ write: 12, claim: 4, worker: 2, put: 4, lock: 6, reopen: 1, release: 1 })) {
      case "write": {
        const write = this.#write(rows);
        return (store) => store.append(write);
      }
      case "claim": {
        const request = {
          worker: prng.pick(WORKERS),
          turn: ++this.#turns,
          programs: [PROGRAM],
          limit: 99,
          alone: false,
        };
        return (store) => store.claim(request);
      }
      case "worker": {
        const [worker, closes] = [prng.pick(WORKERS), prng.chance(0.3)];
        return (store) => (closes ? store.closeWorker(worker) : store.openWorker(worker, LEASE_MS));
      }
      case "put": {
        const key = operation === null ? prng.pick(KEYS) : "k1";
        const put = {
          ...{ scope: "s", key, operation, note: prng.chance(0.5) ? '"n"' : null },
          value: prng.chance(0.2) ? null : `${++this.#tokens}`,
          ttlMs: prng.chance(0.3) ? prng.int(1, 500) : null,
          ifVersion: operation !== null || prng.chance(0.5) ? prng.int(0, 12) : null,
        };
        return async (store) => {
          // Half of the puts name the version that is there.
          const { version } = await store.getKeyed("s", key);
          const ifVersion = put.ifVersion !== null && put.ifVersion % 2 === 0 ? version : put.ifVersion;
          return await store.putKeyed({ ...put, ifVersion });
        };
      }
      case "lock": {
        const name = prng.pick(NAMES);
        if (operation === null) return (store) => store.listLocks({ name, limit: 2 });
        const request = { name, slots: prng.int(1, 3), operation };
        return (store) => store.requestLock(request);
      }
      case "reopen": {
        const runId = prng.pick(RUNS);
        const seq = (rows.get(runId)?.head ?? 0) + prng.pick([1, 1, 1, 2]);
        const open = CALL_KEYS.filter(() => prng.chance(0.5));
        return (store) => store.reopen({ runId, seq, event: eventOf("run.reopened", null, { seq }), open });
      }
      case "release":
        return (store) => store.releaseStuck([PROGRAM]);
    }
  }

  #operation(rows: ReadonlyMap<string, RunRow>) {
    const prng = this.#prng;
    const row = prng.chance(0.9) && rows.size > 0 ? prng.pick([...rows.values()]) : undefined;
    if (row === undefined) return null;
    return { runId: row.id, epoch: row.epoch - (prng.chance(0.1) ? 1 : 0), key: prng.pick(CALL_KEYS) };
  }

  #write(rows: ReadonlyMap<string, RunRow>): LogWrite {
    const prng = this.#prng;
    const ids = RUNS.filter(() => prng.chance(0.4));
    const fresh = ids.filter((id) => !rows.has(id)).slice(0, 1);
    const known = ids.flatMap((id) => rows.get(id) ?? []);
    return {
      starts: fresh.map((id) => start(id, prng.chance(0.2) ? { idempotencyKey: "key" } : {})),
      runs: [
        ...fresh.map((id) => created(id, { row: moved({ release: true, availableAt: prng.int(0, 1) * 1e15 }) })),
        ...known.map((row) => this.#part(row)),
      ],
      messages: prng.chance(0.3) ? [this.#message()] : [],
    };
  }

  #part(row: RunRow): RunAppend {
    const prng = this.#prng;
    const events = Array.from({ length: prng.int(0, 2) }, (_, i) => eventOf("attempt.started", `k${i}`));
    return append(row.id, row.epoch - (prng.chance(0.1) ? 1 : 0), row.head + (prng.chance(0.1) ? 2 : 1), {
      events,
      row:
        row.status === "running" && events.length > 0 && prng.chance(0.3)
          ? { kind: "advance", unclean: prng.pick(["keep", "reset"]), startedAt: prng.pick([null, 3, 4]) }
          : this.#move(),
      beyond: prng.chance(0.7) ? this.#beyond(row.id, events.length > 0) : null,
    });
  }

  #move(): RunAppend["row"] {
    const prng = this.#prng;
    const drawn = prng.weighted({ waiting: 5, pending: 2, running: 3, paused: 3, stuck: 1, over: 1 });
    const status = drawn === "over" ? prng.pick(["completed", "failed", "cancelled"] as const) : drawn;
    return moved({
      ...{ status, release: drawn !== "running", unclean: prng.pick(["keep", "reset", "undo"]) },
      availableAt: drawn === "pending" ? 0 : null,
      stuck: drawn === "stuck" ? '{"code":"X"}' : null,
      result: drawn === "over" ? "{}" : null,
    });
  }

  #beyond(runId: string, mayTell: boolean): Beyond {
    const prng = this.#prng;
    const child = prng.pick(RUNS);
    const more = prng.chance(0.2) ? { idempotencyKey: "key" } : {};
    return beyond({
      children: prng.chance(0.3)
        ? [
            {
              start: start(child, { parentId: runId, ...more }),
              created: eventOf("run.created", null, { ...PROGRAM, input: { value: child } }),
              availableAt: prng.int(0, 1) * 1e15,
            },
          ]
        : [],
      tells: mayTell ? Array.from({ length: prng.int(0, 2) }, () => this.#message()) : [],
      unlocks: CALL_KEYS.filter(() => prng.chance(0.3)),
      settled: CALL_KEYS.filter(() => prng.chance(0.2)),
    });
  }

  #message(): InboxMessage {
    const [runId, kind] = [this.#prng.pick(RUNS), this.#prng.pick(KINDS)];
    return { runId, kind, token: `t${++this.#tokens}`, data: null, at: 1 };
  }
}

/** All that a log holds, but for numbers that are only to grow: of events, messages and places the order counts. */
async function contentOf(store: LogStore) {
  const rows = await store.listRuns({}, { before: null, limit: 99 });
  const events = await store.readLog({ afterPosition: 0, limit: 9_999 });
  const mail = await store.readInbox([...RUNS]);
  const places = await store.listLocks({ name: null, limit: 99 });
  return {
    rows: rows.map(({ stuck, ...row }) => ({ ...row, stuck: stuck === null ? null : JSON.parse(stuck).code })),
    events: events.map(({ position: _, ...event }) => event),
    mail: mail.map(({ id: _, token, ...row }) => ({ ...row, token: token.replace(/^lock\/.*/, "lock") })),
    places: places.map(({ ticket: _, ...place }) => place),
    values: await Promise.all(KEYS.map((key) => store.getKeyed("s", key))),
    listed: await store.listKeyed("s", { prefix: "k", after: null, limit: 9 }),
  };
}

/** An answer, whatever the order of what has none. */
function comparable(answer: unknown): unknown {
  if (answer instanceof Map) return [...answer].sort(([a], [b]) => (a < b ? -1 : 1));
  if (Array.isArray(answer)) return answer.map(comparable);
  if (typeof answer !== "object" || answer === null) return answer;
  const fields = Object.entries(answer).filter(([name]) => name !== "ticket");
  return Object.fromEntries(
    fields.map(([name, value]) => {
      const isSet = name === "claims" || name === "poisoned";
      return [name, isSet ? value.map((each: unknown) => JSON.stringify(each)).sort() : comparable(value)];
    }),
  );
}

describe("the reference and a file", () => {
  const seen = new Map<string, number>();

  it(`agree on ${CALLS} random calls, in each of ${SEEDS} orders`, { timeout: 120_000 }, async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const clock = manualClock();
      const reference = memoryStore(clock);
      const { store, client } = await openFile("owned-file", { ports: { ...realPorts(), clock } });
      // Nothing here is about durability, and each of many commits would wait for the disk.
      await client.execute("PRAGMA synchronous = OFF");
      for (const worker of WORKERS) for (const each of [reference, store]) await each.openWorker(worker, LEASE_MS);
      const caller = new Caller(`${seed}`);
      for (let i = 0; i < CALLS; i++) {
        const rows = new Map((await reference.listRuns({}, { before: null, limit: 99 })).map((row) => [row.id, row]));
        const call = caller.next(rows);
        const [expected, found] = [await call(reference), await call(store)];
        expect(comparable(found), `the answer to call ${i} of seed ${seed}`).toEqual(comparable(expected));
        clock.advance((i * 37) % 200);
        if (i % LOOK_EVERY !== 0) continue;
        const content = await contentOf(reference);
        expect(await contentOf(store), `after call ${i} of seed ${seed}`).toEqual(content);
        for (const name of facts(content)) seen.set(name, (seen.get(name) ?? 0) + 1);
      }
      await store.close();
    }
  });

  it("met what they are to agree on", () => {
    for (const status of RUN_STATUSES) expect(seen.get(status), status).toBeGreaterThan(10);
    for (const fact of ["lock mail", "holds", "waits", "child", "value", "gone"])
      expect(seen.get(fact), fact).toBeGreaterThan(10);
  });
});

/** What a log's content shows, by name. */
function facts({ rows, mail, places, values }: Awaited<ReturnType<typeof contentOf>>): Set<string> {
  return new Set([
    ...rows.map(({ status }) => status),
    ...rows.filter(({ parentId }) => parentId !== null).map(() => "child"),
    ...mail.filter(({ token }) => token === "lock").map(() => "lock mail"),
    ...places.map(({ grantedAt }) => (grantedAt === null ? "waits" : "holds")),
    ...values.filter(({ version }) => version > 0).map(({ value }) => (value === null ? "gone" : "value")),
  ]);
}
