/** `engine.kv`: the values that runs share, from outside. Nothing of it is recorded. */
import { changeShared, encodeGiven, fitting, updating } from "../ctx/kv.ts";
import { checkKeyedKey, checkKeyedPage, checkTtl, decodeKeyed, type KeyedPage } from "../kernel/keyed.ts";
import type { KeyedValues, KeyedWriteOptions } from "../kernel/keyed-values.ts";
import type { Schema } from "../kernel/workflow-ref.ts";
import type { LogStore } from "../log/port.ts";

type Store = Pick<LogStore, "getKeyed" | "listKeyed" | "putKeyed">;

export class OutsideKv implements KeyedValues<unknown, unknown> {
  readonly #store: () => Store;
  readonly #scope: string;
  readonly #schema: Schema | undefined;

  /** @param store throws when the engine is closed */
  constructor(store: () => Store, scope: string, schema: Schema | undefined) {
    this.#store = store;
    this.#scope = scope;
    this.#schema = schema;
  }

  async get(key: string): Promise<unknown> {
    const { value } = await this.#store().getKeyed(this.#scope, checkKeyedKey(key));
    return this.#read(key, value);
  }

  async set(key: string, given: unknown, { ttl }: KeyedWriteOptions = {}): Promise<void> {
    const scope = this.#scope;
    const value = encodeGiven(this.#schema, key, given);
    const put = { scope, key: checkKeyedKey(key), value, ttlMs: checkTtl(ttl), ifVersion: null };
    await this.#store().putKeyed({ ...put, operation: null, note: null });
  }

  async update(key: string, change: (value: unknown) => unknown, options: KeyedWriteOptions = {}): Promise<unknown> {
    return this.#read(key, await this.#change(key, options, updating(this.#schema, key, change)));
  }

  async delete(key: string): Promise<void> {
    await this.#change(key, {}, () => null);
  }

  async list(options: KeyedPage = {}): Promise<{ key: string; value: unknown }[]> {
    const found = await this.#store().listKeyed(this.#scope, checkKeyedPage(options));
    return found.map(({ key, value }) => ({ key, value: this.#read(key, value) }));
  }

  #read(key: string, text: string | null): unknown {
    return text === null ? undefined : fitting(this.#schema, key, decodeKeyed(text));
  }

  async #change(
    key: string,
    { ttl }: KeyedWriteOptions,
    next: (before: string | null) => string | null,
  ): Promise<string | null> {
    const store = this.#store();
    const change = { scope: this.#scope, key: checkKeyedKey(key), ttlMs: checkTtl(ttl), next };
    const changed = await changeShared(
      {
        get: (scope, each) => store.getKeyed(scope, each),
        put: async (put) => {
          const verdict = await store.putKeyed({ ...put, operation: null, note: null });
          return verdict.kind === "put" ? verdict : { kind: "conflict" };
        },
      },
      change,
    );
    if (changed.kind === "failed") throw changed.error;
    return changed.value;
  }
}
