/** What the storage port says of values that runs share, and of the calls that change them: each is done once. */

/** A value that runs and others share, under a key within a scope. */
export interface KeyedValue {
  readonly key: string;
  /** JSON text of a payload; null: there is none (deleted, expired, or never set). */
  readonly value: string | null;
  /**
   * Grows with every change, also across deletion, so what is deleted leaves a row; 0: never set. It is the fence of
   * {@link KeyedStore.putKeyed}.
   */
  readonly version: number;
  /** Null: it stays, or there is no value. */
  readonly expiresAt: number | null;
}

/** Which run's call does something to what runs share: done once, however often it is sent (rule R3). */
export interface Operation {
  readonly runId: string;
  readonly epoch: number;
  /** The call's key. */
  readonly key: string;
}

/** A change of a {@link KeyedValue}. */
export interface KeyedPut {
  readonly scope: string;
  readonly key: string;
  /** JSON text of a payload; null deletes. */
  readonly value: string | null;
  /** Milliseconds from now; null: it stays. */
  readonly ttlMs: number | null;
  /** The version that must be there still; null: whatever is there. With an `operation` never null. */
  readonly ifVersion: number | null;
  /**
   * On whose behalf; its answer is kept until `Beyond.settled` names it, so that a repetition gets the same one. Null:
   * somebody outside, who repeats nothing.
   */
  readonly operation: Operation | null;
  /** What the caller wants to find with its answer, when it has lost it: JSON text. */
  readonly note: string | null;
}

/** What became of a put. Without an operation it is `put` or `conflict`. */
export type KeyedVerdict =
  | { readonly kind: "put"; readonly version: number }
  /** An earlier try of the same operation was taken: with this note. */
  | { readonly kind: "done"; readonly note: string | null; readonly version: number }
  | { readonly kind: "conflict" }
  /** The run is another worker's by now, or over. */
  | { readonly kind: "lost" };

/** The part of the log that holds shared values. */
export interface KeyedStore {
  /** The value under a key; with version 0 if there never was one. What has expired is not there, but has its version. */
  getKeyed(scope: string, key: string): Promise<KeyedValue>;
  /** Keys that begin with `prefix` and have a value, in order. `after`: only later ones. */
  listKeyed(
    scope: string,
    page: { readonly prefix: string; readonly after: string | null; readonly limit: number },
  ): Promise<KeyedValue[]>;
  putKeyed(put: KeyedPut): Promise<KeyedVerdict>;
  /**
   * What an earlier owner of the run has put by this call: it can put no more. Null: nothing. `lost`: the run is another
   * worker's by now, or over.
   */
  getOperation(operation: Operation): Promise<Extract<KeyedVerdict, { kind: "done" | "lost" }> | null>;
}
