/** Many runs at once as users of the engine, the HTTP layer and the client see them. */
import type { Tags } from "../kernel/events.ts";
import type { RunStatus } from "../kernel/state.ts";
import type { ReasonOptions, RunInfo } from "./api-run.ts";

export interface ListOptions {
  readonly workflow?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  readonly tags?: Tags;
  readonly idempotencyKey?: string;
  /** The run that started them. */
  readonly parentId?: string;
  /** Created at or after. */
  readonly createdFrom?: Date | number;
  readonly createdBefore?: Date | number;
  /** From 1 to 500. @default 50 */
  readonly limit?: number;
  /** What the page before returned. */
  readonly cursor?: string;
}

export interface RunPage {
  /** Newest first. */
  readonly runs: readonly RunInfo[];
  /**
   * Gives the next page; null: this is the last. A page looks through 100,000 runs at most, so with a filter that few of many
   * runs fit it may be shorter than asked for, even empty, and have a cursor all the same.
   */
  readonly cursor: string | null;
}

/** What can be done to many runs at once. */
export type BulkAction = "cancel" | "terminate" | "pause" | "resume" | "retry";

export interface BulkOptions extends Omit<ListOptions, "limit" | "cursor">, ReasonOptions {
  /** @default those that can take it: runs that are under way; for `retry` those that failed or were cancelled */
  readonly status?: RunStatus | readonly RunStatus[];
  /** Ids, instead of a filter. */
  readonly ids?: readonly string[];
  /** The most runs that it is done to. @default 10_000 */
  readonly limit?: number;
}

/** What came of it. Done again with the same filter it does what is left. */
export interface BulkResult {
  /** Runs that it was done to. */
  readonly done: number;
  /** Runs that could not take it: ones that had ended meanwhile, or for which too many messages wait. */
  readonly skipped: number;
  /** Whether more runs fit the filter than `limit`. */
  readonly more: boolean;
}
