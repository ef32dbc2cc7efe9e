/** A hand at the lines of a log: runs with limits, as the contract's tests send them. */
import { expect } from "vitest";
import type { PlaceLimit } from "../../src/kernel/place-limit.ts";
import type { LogStore } from "../../src/log/port.ts";
import type { RunAppend } from "../../src/log/port-write.ts";
import { beyond, created, ended, type Held, handAt, LEASE_MS, left, runId, start } from "./hand.ts";
import { moved, PROGRAM, turn } from "./writes.ts";

/** Limits that are places only. */
export const NOTHING = { takes: [], singleton: null } as const;

export function handInLines(store: () => LogStore) {
  const hand = handAt(store);
  const { next, write } = hand;

  const line = (name: string, slots = 1, more: Partial<PlaceLimit> = {}): PlaceLimit => ({
    ...{ line: name, slots, rank: 0, hold: "life" as const },
    ...more,
  });

  /** A pending run with these limits. */
  async function limited(places: readonly PlaceLimit[], lineAt = 0): Promise<string> {
    const id = runId();
    await write(startOf(id, places, lineAt));
    return id;
  }

  const startOf = (id: string, places: readonly PlaceLimit[], lineAt = 0) => ({
    starts: [start(id, { limits: { places, lineAt, ...NOTHING } })],
    runs: [created(id, { row: moved({ availableAt: null }) })],
  });

  const claimWith = (linesDue: boolean, limit: number, worker: string) =>
    store().claim({ turn: turn(), worker, programs: [PROGRAM], limit, alone: false, linesDue });

  /** Lets those in line that are due, and claims what can be. */
  async function arrive(limit = 99, worker = "w1"): Promise<Held[]> {
    await store().openWorker(worker, LEASE_MS);
    const { claims } = await claimWith(true, limit, worker);
    return claims.map(({ runId: id, epoch, head }) => ({ id, epoch, head }));
  }

  const idsOf = (runs: readonly Held[]) => runs.map(({ id }) => id);

  /** Who has what in a line. */
  const inLine = async (name: string) =>
    (await store().listPlaces({ line: name, limit: 999 })).map(
      ({ runId: id, grantedAt }) => `${id} ${grantedAt === null ? "waits" : "holds"}`,
    );

  const end = (run: Held): RunAppend => next(run, { row: ended("completed"), beyond: beyond({ places: "end" }) });
  const yields = (run: Held, availableAt: number | null = null) =>
    next(run, { row: { ...left("waiting"), availableAt }, beyond: beyond({ places: "yield" }) });

  const only = async (runs: Promise<Held[]>): Promise<Held> => {
    const found = await runs;
    expect(found).toHaveLength(1);
    return found[0] as Held;
  };

  return { ...hand, arrive, claimWith, end, idsOf, inLine, limited, line, only, startOf, yields };
}
