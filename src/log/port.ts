/**
 * The storage port: everything the engine asks of a log. `memory.ts` is its reference, `libsql/` the real one; one
 * contract suite (`test/log/contract.ts`) holds both to what is written here.
 *
 * Every write is safe to repeat, because the outcome of a call that failed is unknown: it may have been done. Whoever
 * gets an error from `append` sends the same write again.
 */
import type { EventRow } from "../kernel/events.ts";
import type { ApiKeyStore } from "./port-api-keys.ts";
import type { ClaimStore } from "./port-claims.ts";
import type { DeliveryStore } from "./port-deliveries.ts";
import type { InboxRow } from "./port-inbox.ts";
import type { KeyedStore } from "./port-keyed.ts";
import type { LockStore } from "./port-locks.ts";
import type { MessageStore } from "./port-messages.ts";
import type { OutgoingStore } from "./port-outgoing.ts";
import type { Outlook, OutlookRequest } from "./port-outlook.ts";
import type { PatienceStore } from "./port-patience.ts";
import type { PlaceStore } from "./port-places.ts";
import type { RunStore } from "./port-runs.ts";
import type { ScheduleStore } from "./port-schedules.ts";
import type { WorkerStore } from "./port-workers.ts";
import type { LogWrite, Reopening, WriteVerdict } from "./port-write.ts";

/** The log and what belongs to it. Times are the database's clock, milliseconds since the epoch. */
export interface LogStore
  extends WorkerStore,
    ClaimStore,
    PatienceStore,
    RunStore,
    KeyedStore,
    LockStore,
    PlaceStore,
    DeliveryStore,
    MessageStore,
    ScheduleStore,
    OutgoingStore,
    ApiKeyStore {
  /** Whether this process alone can write: then nothing happens to the log that it does not know of. */
  readonly exclusive: boolean;
  /** Whether the database's clock is this machine's: then the clock port can be read instead of asking. */
  readonly localClock: boolean;
  /** The database's clock. */
  now(): Promise<number>;
  /** Whether somebody else may have written since the last call; cheap where the database can tell. */
  changed(): Promise<boolean>;

  append(write: LogWrite): Promise<WriteVerdict>;
  /**
   * Lets a run go on that has failed or was cancelled: appends `run.reopened`, under a new epoch that belongs to nobody, and
   * makes it claimable. False: it is not over in that way, or `seq` does not follow its head. Sent again it changes nothing
   * and gives the same answer.
   */
  reopen(request: Reopening): Promise<boolean>;

  /** The last position; 0 for an empty log. */
  lastPosition(): Promise<number>;
  /** The log after `afterPosition`, in order. */
  readLog(page: { readonly afterPosition: number; readonly limit: number }): Promise<EventRow[]>;
  /** One run's events after `afterSeq`, in order, all of them. */
  readHistory(runId: string, page: { readonly afterSeq: number; readonly limit: number }): Promise<EventRow[]>;
  /** The mail of runs, in order of arrival. */
  readInbox(runIds: readonly string[]): Promise<InboxRow[]>;
  /** What says in short why runs do not go on. */
  readOutlook(runs: readonly OutlookRequest[]): Promise<Outlook>;

  /** Ids of runs that have events, whether or not they have a row, greatest first. `before`: only smaller ones. */
  listLoggedRuns(page: { readonly before: string | null; readonly limit: number }): Promise<string[]>;
  /** What is out of bounds, or refers to nothing, in tables that events do not determine. Reads them whole; gives a part if it is much. */
  strays(): Promise<Stray[]>;

  close(): Promise<void>;
}

/** A row that is not within what must hold of it: of tables that events do not determine. */
export interface Stray {
  /** The run that it is about; null: it is about none. */
  readonly runId: string | null;
  readonly what: string;
  readonly expected: string;
  readonly found: string;
}
