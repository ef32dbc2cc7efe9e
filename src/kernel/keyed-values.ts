/** Values under keys, as those see them who share them. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Duration } from "./duration.ts";
import type { KeyedPage } from "./keyed.ts";
import type { Schema } from "./workflow-ref.ts";

export interface KeyedOptions<S extends Schema> {
  /** Any Standard Schema that answers at once: checks each value that is read or given. What is given is stored as it is. */
  readonly schema: S;
}

export interface KeyedWriteOptions {
  /** How long the value stays. @default until it is changed or deleted */
  readonly ttl?: Duration;
}

/** A key and its value. */
export interface KeyedEntry<Value = unknown> {
  readonly key: string;
  readonly value: Value;
}

/** Values under keys. `Value`: as they are read; `Given`: as they are given. */
export interface KeyedValues<Value = unknown, Given = Value> {
  /**
   * The value under `key`; undefined if there is none, or it has expired.
   *
   * @throws DefinitionError `KV_KEY_INVALID`; ValidationError `KV_VALUE_UNFIT`
   */
  get(key: string): Promise<Value | undefined>;
  /**
   * Puts a value under `key`, whatever is there.
   *
   * @throws DefinitionError `KV_KEY_INVALID`, `KV_VALUE_INVALID`; ValidationError `KV_VALUE_UNFIT`; PayloadError; ConflictError
   * `KV_CONTENDED`
   */
  set(key: string, value: Given, options?: KeyedWriteOptions): Promise<void>;
  /**
   * Makes another value of the one under `key`, and comes to it; nobody else's change comes between. `change` is given
   * undefined if there is no value, and may return undefined to delete it. It may run several times, outside the workflow
   * function: it may look at nothing but its argument and what the workflow knows, and change nothing.
   *
   * @throws what `change` throws; ConflictError `KV_CONTENDED` when others were faster 100 times; else as `set`
   * @example const count = await ctx.kv("global", { schema: z.number() }).update("orders", (count = 0) => count + 1);
   */
  update(
    key: string,
    change: (value: Value | undefined) => Given | undefined,
    options?: KeyedWriteOptions,
  ): Promise<Value | undefined>;
  /** Removes the value under `key`, if there is one. */
  delete(key: string): Promise<void>;
  /** Keys and their values, in the order of the keys' code points. */
  list(options?: KeyedPage): Promise<KeyedEntry<Value>[]>;
}

/** The values that a schema describes. */
export type KeyedValuesOf<S extends Schema> = KeyedValues<
  StandardSchemaV1.InferOutput<S>,
  StandardSchemaV1.InferInput<S>
>;
