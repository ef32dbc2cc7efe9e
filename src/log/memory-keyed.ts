/**
 * The keyed values of the log's reference, and the ledger of the calls that changed them.
 *
 * Owns: both. Called by `memory.ts`, which knows whose runs are.
 *
 * I1 A version only grows: a value that is deleted, or expires, leaves its version behind.
 * I2 A call that is in the ledger changes nothing any more.
 */
import { assert } from "../kernel/assert.ts";
import { byText } from "./memory-order.ts";
import type { KeyedPut, KeyedValue, KeyedVerdict, Operation } from "./port-keyed.ts";

/** What a call's put came to. */
interface Noted {
  readonly version: number;
  readonly note: string | null;
}

export class MemoryKeyed {
  /** By scope, then by key. */
  readonly #scopes = new Map<string, Map<string, KeyedValue>>();
  /** By run, then by the call's key. */
  readonly #ledger = new Map<string, Map<string, Noted>>();

  get(scope: string, key: string, now: number): KeyedValue {
    const found = this.#scopes.get(scope)?.get(key);
    if (found === undefined) return { key, value: null, version: 0, expiresAt: null };
    return isThere(found, now) ? found : { ...found, value: null, expiresAt: null };
  }

  list(
    scope: string,
    { prefix, after, limit }: { readonly prefix: string; readonly after: string | null; readonly limit: number },
    now: number,
  ): KeyedValue[] {
    return [...(this.#scopes.get(scope)?.values() ?? [])]
      .filter((found) => isThere(found, now) && found.key.startsWith(prefix))
      .filter(({ key }) => after === null || byText(key, after) > 0)
      .sort((a, b) => byText(a.key, b.key))
      .slice(0, limit);
  }

  /** `isHeld`: the run of the operation, if there is one, is still its worker's. */
  put(put: KeyedPut, isHeld: boolean, now: number): KeyedVerdict {
    const { scope, key, value, ttlMs, ifVersion, operation, note } = put;
    assert(operation === null || ifVersion !== null, `the put of call ${operation?.key} names no version`);
    if (!isHeld) return { kind: "lost" };
    const noted = operation === null ? null : this.noted(operation);
    if (noted !== null) return noted;
    const before = this.#scopes.get(scope)?.get(key)?.version ?? 0;
    if (ifVersion !== null && ifVersion !== before) return { kind: "conflict" };
    const version = before + 1;
    const expiresAt = ttlMs === null ? null : now + ttlMs;
    entry(this.#scopes, scope).set(key, { key, value, version, expiresAt });
    if (operation !== null) entry(this.#ledger, operation.runId).set(operation.key, { version, note });
    return { kind: "put", version };
  }

  /** What a run's call has put. */
  noted({ runId, key }: Operation): Extract<KeyedVerdict, { kind: "done" }> | null {
    const noted = this.#ledger.get(runId)?.get(key);
    return noted === undefined ? null : { kind: "done", ...noted };
  }

  /** Forgets what a run's calls came to. `calls`: all of them if null. */
  settle(runId: string, calls: readonly string[] | null): void {
    if (calls === null) this.#ledger.delete(runId);
    else for (const call of calls) this.#ledger.get(runId)?.delete(call);
  }

  /** Forgets what a run's calls came to, but for these. */
  keepOnly(runId: string, calls: readonly string[]): void {
    const ledger = this.#ledger.get(runId);
    for (const call of ledger?.keys() ?? []) if (!calls.includes(call)) ledger?.delete(call);
  }
}

function isThere({ value, expiresAt }: KeyedValue, now: number): boolean {
  return value !== null && (expiresAt === null || expiresAt > now);
}

function entry<T>(maps: Map<string, Map<string, T>>, id: string): Map<string, T> {
  const found = maps.get(id) ?? new Map<string, T>();
  maps.set(id, found);
  return found;
}
