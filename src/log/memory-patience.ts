/** Which runs are passed over in the log's reference: see `LogStore.passOver`. */
import { canTake, type Pool, queueOf } from "../kernel/pool.ts";
import { byText } from "./memory-order.ts";
import { PASSED_LOOKED_MAX, PASSED_MAX } from "./port-patience.ts";
import type { PlaceRow } from "./port-places.ts";
import type { RunRow } from "./port-runs.ts";

export interface PatienceFacts {
  readonly runs: readonly RunRow[];
  /** The living workers, and the caller. */
  readonly pools: readonly Pool[];
  /** Runs that were admitted until then have had enough time. */
  readonly until: number;
  placesOf(place: { readonly runId: string } | { readonly line: string }): readonly PlaceRow[];
}

/** Runs that leave their lines, in order: first those that wait, so that what the others give back goes to somebody else. */
export function passedOver({ runs, pools, until, placesOf }: PatienceFacts): string[] {
  const admitted = runs.filter((run) => run.limits !== null && run.owner === null && run.availableAt !== null);
  const overdue = admitted
    .filter((run) => (run.availableAt as number) <= until && !pools.some((pool) => canTake(pool, run)))
    .slice(0, PASSED_MAX);
  const untaken = new Set(overdue.map(kindOf));
  const held = overdue.flatMap((run) =>
    placesOf({ runId: run.id }).filter((place) => place.grantedAt !== null && isGivenBack(run, place)),
  );
  const byId = new Map(runs.map((run) => [run.id, run]));
  const waiting = [...new Set(held.map(({ line }) => line))]
    .flatMap((line) => placesOf({ line }).filter(({ grantedAt }) => grantedAt === null))
    .slice(0, PASSED_LOOKED_MAX)
    .map((place) => ({ ...place, isUntaken: untaken.has(kindOf(byId.get(place.runId) as RunRow)) }));
  // In these somebody waits whom a worker might take.
  const lines = new Set(waiting.flatMap(({ line, isUntaken }) => (isUntaken ? [] : [line])));
  const idsOf = (places: readonly PlaceRow[]) =>
    [...new Set(places.flatMap(({ line, runId }) => (lines.has(line) ? [runId] : [])))].sort(byText);
  return [...idsOf(waiting.filter(({ isUntaken }) => isUntaken)), ...idsOf(held)].slice(0, PASSED_MAX);
}

/** Whether a run that leaves its lines gives this place back. What it has begun keeps what it holds for life. */
export function isGivenBack(
  run: Pick<RunRow, "head">,
  { hold, grantedAt }: Pick<PlaceRow, "hold" | "grantedAt">,
): boolean {
  return grantedAt === null || hold === "work" || run.head === 1;
}

function kindOf({ workflow, version, limits }: RunRow): string {
  return JSON.stringify([queueOf(limits), workflow, version]);
}
