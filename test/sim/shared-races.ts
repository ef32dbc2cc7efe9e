/** Races for what runs share: small scopes of two runs, all of whose orders are tried. */
import type { EventRow } from "../../src/kernel/events.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { KeyedPut } from "../../src/log/port-keyed.ts";
import { step } from "./corpus.ts";
import type { OrdersOptions } from "./orders.ts";
import type { Command, Program } from "./program.ts";

export interface SharedRace extends Pick<OrdersOptions, "before" | "judge"> {
  readonly program: Program;
  /** The log with what is raced for unguarded. */
  readonly unguarded: (store: LogStore) => LogStore;
}

const UPDATE: Command = { do: "update", name: "u", counter: "counter-a" };
const LOCK: Command = { do: "lock", name: "door", timeoutMs: null, body: [] };

/** Each change is done to whatever is there. */
function withoutVersions(store: LogStore): LogStore {
  const putKeyed: LogStore["putKeyed"] = async (put) => {
    const { version } = await store.getKeyed(put.scope, put.key);
    return await store.putKeyed({ ...put, ifVersion: version });
  };
  return { ...store, putKeyed };
}

/** Each call that asks has the lock at once. */
function withoutLines(store: LogStore): LogStore {
  const requestLock: LogStore["requestLock"] = async (request) => {
    const verdict = await store.requestLock(request);
    return verdict === "waiting" ? "granted" : verdict;
  };
  return { ...store, requestLock };
}

async function isTwo(store: LogStore): Promise<string | null> {
  const { value } = await store.getKeyed("global", "counter-a");
  return value === '{"value":2}' ? null : `the counter is ${value} after two updates`;
}

/** A breaker whose time is over. */
const OPENED: KeyedPut = {
  scope: "breaker",
  key: "breaker",
  value: JSON.stringify({ value: { status: "open", until: 0 } }),
  ttlMs: null,
  ifVersion: null,
  operation: null,
  note: null,
};

/** One run alone is told that it is the probe. */
async function hasOneProbe(_: LogStore, histories: readonly (readonly EventRow[])[]): Promise<string | null> {
  const changes = histories.flat().flatMap(({ type, data }) => (type === "breaker.changed" ? [String(data)] : []));
  const probes = changes.filter((change) => change.includes('"to":"half-open"')).length;
  return probes === 1 ? null : `${probes} runs were let through as a probe: ${changes}`;
}

export const SHARED_RACES = {
  "two updates of one value": { program: [UPDATE], judge: isTwo, unguarded: withoutVersions },
  "two runs that want one lock": { program: [LOCK], unguarded: withoutLines },
  "two runs at a breaker that is about to be half-open": {
    program: [step("a", { guardMs: 1_000 })],
    before: [OPENED],
    judge: hasOneProbe,
    unguarded: withoutVersions,
  },
} as const satisfies Record<string, SharedRace>;

export type SharedRaceName = keyof typeof SHARED_RACES;

export const SHARED_RACE_NAMES = Object.keys(SHARED_RACES) as SharedRaceName[];
