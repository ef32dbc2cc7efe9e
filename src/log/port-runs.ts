/** What the storage port says of runs: their rows, one at a time or in lists. */
import type { Tags } from "../kernel/events.ts";
import type { PlaceLimit } from "../kernel/place-limit.ts";
import type { RunStatus } from "../kernel/state.ts";
import type { RunFilter, RunWindow } from "./port-lists.ts";

/** A run's row. */
export interface RunRow {
  readonly id: string;
  readonly workflow: string;
  readonly version: string;
  readonly status: RunStatus;
  readonly availableAt: number | null;
  readonly owner: string | null;
  readonly epoch: number;
  readonly head: number;
  readonly unclean: number;
  readonly idempotencyKey: string | null;
  readonly tags: Tags;
  /** JSON text. */
  readonly result: string | null;
  /** JSON text. */
  readonly stuck: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly deadlineAt: number | null;
  readonly parentId: string | null;
  readonly limits: readonly PlaceLimit[] | null;
  /** The queue of its first limit; null: it is in none. */
  readonly queue: string | null;
  /** When a run with limits gets in line, for the first time or again; null: it is in line, has its places, or is over. */
  readonly lineAt: number | null;
  /** See `RunLimits.singleton`. */
  readonly singleton: string | null;
  /** Since when it has left its lines to others, until `lineAt` (`PatienceStore.passOver`); null: it has not. */
  readonly passedAt: number | null;
}

/** The part of the log that shows runs. */
export interface RunStore {
  getRun(runId: string): Promise<RunRow | null>;
  /** Newest first. `before`: only runs with a smaller id. `window`: only those within it. */
  listRuns(
    filter: RunFilter,
    page: { readonly before: string | null; readonly limit: number; readonly window?: RunWindow },
  ): Promise<RunRow[]>;
  /** The window of at most so many runs before `before` in which the most of those can be that fit. */
  runWindow(filter: RunFilter, page: { readonly before: string | null; readonly rows: number }): Promise<RunWindow>;
}
