/**
 * What the storage port says of writes: runs that are created, what is appended to them, what that does beyond them, and
 * what became of it. The write itself is `append` in `port.ts`.
 */
import type { EventDraft, Tags } from "../kernel/events.ts";
import type { PlaceLimit, RateTake } from "../kernel/place-limit.ts";
import type { RunStatus } from "../kernel/state.ts";
import type { DeliveryRow } from "./port-deliveries.ts";
import type { InboxMessage, MessageVerdict } from "./port-inbox.ts";

/** One run's part of a write. All of it is stored, or none. */
export interface RunAppend {
  readonly runId: string;
  /** The fence: nothing happens unless the run has this epoch, and `firstSeq - 1` as its head. */
  readonly epoch: number;
  readonly firstSeq: number;
  /** The events from `firstSeq` on; may be empty when only the row changes. */
  readonly events: readonly AppendedEvent[];
  /** Ids of inbox rows that these events consumed. */
  readonly drained: readonly number[];
  readonly row: RunRowPatch;
  /**
   * What happens beyond the run if, and only if, its part is taken; null: nothing.
   */
  readonly beyond: Beyond | null;
}

/** What a run's part of a write does to others, under the run's fence. */
export interface Beyond {
  /**
   * Whether the run may have asked for a lock, put a value or waited for a message. Then, with a terminal status, its places
   * in line and its waits end, and with its completion what is kept of its operations: a run that has failed or was cancelled
   * may be reopened, and what a call of it has put is not put again. A part without it does not look for them, so that an
   * ordinary run pays nothing.
   */
  readonly shares: boolean;
  /** Runs that it starts. One whose id exists, or whose idempotency key has a run, is left as it is. */
  readonly children: readonly ChildStart[];
  /**
   * Messages to other runs. One to a run that is over or unknown comes to nothing. The inbox's bound does not hold for
   * them: what one run tells another is bounded by the one that tells. They come with an event: a part that moves no head
   * can be taken twice, and what was told could have been read in between.
   */
  readonly tells: readonly InboxMessage[];
  /** Calls whose places in line for a lock, held or waited for, end here. */
  readonly unlocks: readonly string[];
  /** Calls whose `Operation` has been recorded: its answer need not be kept. */
  readonly settled: readonly string[];
  /**
   * What becomes of the places that the run's limits give it. `yield`: those that it holds only while it is worked on are
   * given back, and it gets in line again when it is woken. `end`: all are, with a terminal status. Null: it has none, or
   * keeps them.
   */
  readonly places: "yield" | "end" | null;
}

/** What lets a run go on that has failed or was cancelled. */
export interface Reopening {
  readonly runId: string;
  /** Where its event is to stand: behind the run's last one. */
  readonly seq: number;
  readonly event: AppendedEvent;
  /** Calls that go on and have no answer in the log: what is kept of their `Operation` is kept on, and of no other call. */
  readonly open: readonly string[];
}

/** A run that another one starts: pending, with its first event. */
export interface ChildStart {
  /** Without an owner and a delivery. */
  readonly start: RunStart;
  readonly created: AppendedEvent;
  /** When it may be claimed. */
  readonly availableAt: number;
}

/** An event as it is sent: with its data as text, which never changes once sent. */
export type AppendedEvent = Pick<EventDraft, "key" | "scope" | "attempt" | "at"> & {
  readonly type: string;
  readonly v: number;
  readonly data: string | null;
};

/** What a write makes of the count of unclean claims: as it is, 0 (an outcome was recorded), this claim taken back. */
export type UncleanChange = "keep" | "reset" | "undo";

/** What a write makes of a run's row beside its head. */
export type RunRowPatch =
  /** It stays as it is: a running run, or one that is created and gets in line. */
  RunRowAdvance | RunRowMove;

/** A row of which little changes but the head. */
export interface RunRowAdvance {
  readonly kind: "advance";
  readonly unclean: Exclude<UncleanChange, "undo">;
  /** Null: as it is. */
  readonly startedAt: number | null;
}

/** A row that changes as a whole. */
export interface RunRowMove {
  readonly kind: "move";
  readonly unclean: UncleanChange;
  /**
   * `waiting` becomes `pending` in the write itself if an inbox row is left, and `paused` if one of `WAKES_PAUSED` is
   * (rule R4: no blind park).
   */
  readonly status: RunStatus;
  /** When it may be claimed next; null: not before something else happens. */
  readonly availableAt: number | null;
  /** Whether the claim ends with this write. */
  readonly release: boolean;
  /** The result's payload or failure as JSON text, with a terminal status. */
  readonly result: string | null;
  /** Null: as it is. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Why the run is `stuck`, as JSON text with `code` and `message`. */
  readonly stuck: string | null;
}

/** A run to be created. Its events are in a {@link RunAppend} of the same write with `firstSeq` 1. */
export interface RunStart {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  readonly idempotencyKey: string | null;
  readonly tags: Tags;
  readonly createdAt: number;
  readonly deadlineAt: number | null;
  /** The worker that claims it in the same write (it is then running, under epoch 1), or null (pending, epoch 0). */
  readonly owner: string | null;
  /**
   * The webhook delivery that starts it, stored beside it as `started`. If it has been decided about already, nothing is
   * started, nor stored.
   */
  readonly delivery: DeliveryRow | null;
  /** The run that started it; null: nobody's child. */
  readonly parentId: string | null;
  /**
   * What it needs a place in before it may be claimed, and when it gets in line; null: nothing. One with limits has no
   * owner, and its row no `availableAt` until it is admitted.
   */
  readonly limits: RunLimits | null;
}

/** The limits that a run obeys from its start on. */
export interface RunLimits {
  readonly places: readonly PlaceLimit[];
  readonly lineAt: number;
  /** What it takes of buckets if it is created. A child is not refused for want of a token: it gets in line later. */
  readonly takes: readonly RateTake[];
  /** It is not created while another is under way that has this in common with it. Null, or a child: it is. */
  readonly singleton: string | null;
}

/** What one write holds. Each part may be empty. */
export interface LogWrite {
  readonly starts: readonly RunStart[];
  readonly runs: readonly RunAppend[];
  readonly messages: readonly InboxMessage[];
}

/** What became of a write. */
export interface WriteVerdict {
  /** The row of each run of `runs` after the write, by run id; missing: no such run. */
  readonly runs: ReadonlyMap<string, RunHead>;
  /**
   * For each start by its run id: the run that exists under its idempotency key, or its own, or the one of its singleton that
   * is under way. Missing: that one has ended in this very write, the start was refused, or its delivery has been decided
   * about otherwise.
   */
  readonly starts: ReadonlyMap<string, string>;
  /** Starts for which there was no token, by run id: when there is one again. */
  readonly refused: ReadonlyMap<string, number>;
  /** For each message by its token. */
  readonly messages: ReadonlyMap<string, MessageVerdict>;
}

/** What a write's verdict says of a run's row. */
export interface RunHead {
  readonly epoch: number;
  readonly head: number;
  readonly availableAt: number | null;
}
