/** `ctx.kv`: values that runs share. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { assert } from "../kernel/assert.ts";
import type { Payload } from "../kernel/codec.ts";
import { ConflictError, DefinitionError } from "../kernel/errors.ts";
import type { KeyedAction, RunEvent } from "../kernel/events.ts";
import { fromFailure, toFailure } from "../kernel/failure.ts";
import {
  checkKeyedKey,
  checkKeyedPage,
  checkTtl,
  decodeKeyed,
  encodeKeyed,
  KEYED_TRIES_MAX,
  type KeyedPage,
  type KeyedScope,
  keyedScopeText,
  scopeInvalid,
} from "../kernel/keyed.ts";
import type { KeyedEntry, KeyedValues, KeyedWriteOptions } from "../kernel/keyed-values.ts";
import { validateNow } from "../kernel/validate.ts";
import type { Schema } from "../kernel/workflow-ref.ts";
import type {
  CallRequest,
  LiveCall,
  Operation,
  RunFacts,
  ScopeHandle,
  Settlement,
  Shared,
} from "../worker/recorder.ts";
import { rejected, resolved } from "./settle.ts";
import type { IfStorable } from "./storable.ts";

/**
 * Whose the values are: this run's, shared by all runs of its workflow, by all runs of its tenant (those with the same tag
 * `tenant`), or by all.
 */
export type KvScope = "run" | "workflow" | "tenant" | "global";

/** The values of a scope, as workflow code has them: what the log cannot hold is refused by type. */
export interface Kv<Value = unknown, Given = Value> extends KeyedValues<Value, Given> {
  set<T extends Given>(key: string, value: T & IfStorable<T>, options?: KeyedWriteOptions): Promise<void>;
  update<T extends Given | undefined>(
    key: string,
    change: ((value: Value | undefined) => T) & IfStorable<T>,
    options?: KeyedWriteOptions,
  ): Promise<Value | undefined>;
}

/** What the calls of one scope's values are made with. */
export interface KvParts {
  readonly run: RunFacts;
  readonly scope: ScopeHandle;
  readonly kvScope: KvScope;
  readonly schema: Schema | undefined;
  readonly ask: (request: () => CallRequest) => Promise<unknown>;
}

/** The values of a scope, as workflow code sees them. */
export function createKv(parts: KvParts): Kv {
  const { ask } = parts;
  const kv = {
    get: (key: string) => ask(() => getRequest(parts, key)),
    set: (key: string, value: unknown, options: KeyedWriteOptions = {}) =>
      ask(() => {
        const text = encodeGiven(parts.schema, key, value);
        return changeRequest(parts, { action: "set", key, options, next: () => text });
      }),
    update: (key: string, change: (value: unknown) => unknown, options: KeyedWriteOptions = {}) =>
      ask(() => changeRequest(parts, { action: "update", key, options, next: updating(parts.schema, key, change) })),
    delete: (key: string) => ask(() => changeRequest(parts, { action: "delete", key, options: {}, next: () => null })),
    list: (page: KeyedPage = {}) => ask(() => listRequest(parts, page)),
  };
  // As of `ctx`: the types are the users', here every value is unknown.
  return kv as unknown as Kv;
}

// ---- Reads ----

function getRequest({ run, scope, kvScope, schema }: KvParts, key: string): CallRequest {
  const place = placeOf(run, kvScope, key);
  return {
    kind: "kv",
    name: `kv.${kvScope}.get:${key}`,
    scope,
    live: (call) =>
      call.operate({
        run: (shared) => shared.get(place.scope, place.key),
        done: ({ value }) => answer(call, payloadOf(value)),
      }),
    given: (outcome) => given(outcome, (value) => (value === undefined ? value : fitting(schema, key, value))),
  };
}

function listRequest({ run, scope, kvScope, schema }: KvParts, options: KeyedPage): CallRequest {
  const text = scopeText(run, kvScope);
  const page = checkKeyedPage(options);
  return {
    kind: "kv",
    name: `kv.${kvScope}.list:${page.prefix}`,
    scope,
    live: (call) =>
      call.operate({
        run: (shared) => shared.list(text, page),
        done: (found) => {
          try {
            answer(call, call.encode(found.map(({ key, value }) => ({ key, value: decodeKeyed(value) }))));
          } catch (error) {
            call.conclude("kv.failed", null, { error: toFailure(error) });
          }
        },
      }),
    given: (outcome) =>
      given(outcome, (found) =>
        (found as KeyedEntry[]).map(({ key, value }) => ({ key, value: fitting(schema, key, value) })),
      ),
  };
}

// ---- Changes ----

interface Change {
  readonly action: KeyedAction;
  readonly key: string;
  readonly options: KeyedWriteOptions;
  /** What is to be there in place of what is: texts of payloads, null for none. */
  readonly next: (before: string | null) => string | null;
}

function changeRequest({ run, scope, kvScope, schema }: KvParts, change: Change): CallRequest {
  const { action, key, options, next } = change;
  const place = placeOf(run, kvScope, key);
  const put = { ...place, ttlMs: checkTtl(options.ttl), next };
  const operation = (call: LiveCall): Operation<Changed> => ({
    run: (shared) => changeShared(shared, put),
    done: (changed) => {
      if (changed.kind === "failed") call.conclude("kv.failed", null, { error: toFailure(changed.error) });
      else answer(call, action === "update" ? payloadOf(changed.value) : NOTHING);
    },
  });
  return {
    kind: "kv",
    name: `kv.${kvScope}.${action}:${key}`,
    scope,
    isSharing: true,
    live: (call) => {
      if (!call.isBegun) call.record("kv.requested", null, { action, ...place });
      call.operate(operation(call));
    },
    given: (outcome) => given(outcome, (value) => (value === undefined ? value : fitting(schema, key, value))),
  };
}

/** A change, and where. */
export interface ChangeOfShared {
  readonly scope: string;
  readonly key: string;
  readonly ttlMs: number | null;
  readonly next: Change["next"];
}

export type Changed =
  | { readonly kind: "changed"; readonly value: string | null }
  | { readonly kind: "failed"; readonly error: unknown };

/** Reads, decides and puts, again and again until nobody else's put comes between. */
export async function changeShared(shared: Pick<Shared, "get" | "put">, change: ChangeOfShared): Promise<Changed> {
  const { scope, key, ttlMs, next } = change;
  for (let tries = 0; tries < KEYED_TRIES_MAX; tries++) {
    const { value: before, version } = await shared.get(scope, key);
    let value: string | null;
    try {
      value = next(before);
    } catch (error) {
      return { kind: "failed", error };
    }
    if (value === null && before === null) return { kind: "changed", value };
    const verdict = await shared.put({ scope, key, value, ttlMs, ifVersion: version, note: value });
    if (verdict.kind === "put") return { kind: "changed", value };
    if (verdict.kind === "done") return { kind: "changed", value: verdict.note };
  }
  const message = `expected a change of ${JSON.stringify(key)} in ${scope} to find a moment in which nobody else changes it, but others were faster ${KEYED_TRIES_MAX} times; use several keys, or a lock`;
  return { kind: "failed", error: new ConflictError("KV_CONTENDED", message, { scope, key, tries: KEYED_TRIES_MAX }) };
}

/**
 * What an update puts in the place of what is there.
 *
 * @throws DefinitionError `OPTION_INVALID`
 */
export function updating(
  schema: Schema | undefined,
  key: string,
  change: (value: unknown) => unknown,
): ChangeOfShared["next"] {
  if (typeof change !== "function")
    throw new DefinitionError(
      "OPTION_INVALID",
      `expected the change of ${JSON.stringify(key)} to be a function, but found ${typeof change}`,
    );
  return (before) => {
    const value = change(before === null ? undefined : fitting(schema, key, decodeKeyed(before)));
    if (value === undefined) return null;
    return encodeGiven(schema, key, value);
  };
}

/** A value that fits, as it was given. */
export function encodeGiven(schema: Schema | undefined, key: string, value: unknown): string {
  fitting(schema, key, value);
  return encodeKeyed(value);
}

// ---- What both have ----

function placeOf(run: RunFacts, kvScope: KvScope, key: string): { scope: string; key: string } {
  return { scope: scopeText(run, kvScope), key: checkKeyedKey(key) };
}

function scopeText(run: RunFacts, kvScope: KvScope): string {
  return keyedScopeText(scopeOf(run, kvScope));
}

function scopeOf({ id, workflow, tags }: RunFacts, kvScope: KvScope): KeyedScope {
  switch (kvScope) {
    case "global":
      return "global";
    case "run":
      return { run: id };
    case "workflow":
      return { workflow };
    case "tenant": {
      const { tenant } = tags;
      if (tenant !== undefined) return { tenant };
      throw new DefinitionError(
        "TENANT_MISSING",
        `expected run ${id} to have the tag "tenant", which says whose its tenant's values are, but it has none; start it with \`tags: { tenant }\``,
        { runId: id },
      );
    }
    default:
      throw scopeInvalid(kvScope);
  }
}

/** What the schema makes of a value. */
export function fitting(schema: Schema | undefined, key: string, value: unknown): unknown {
  if (schema === undefined) return value;
  return validateNow(`the value under ${JSON.stringify(key)}`, schema, value, "KV_VALUE_UNFIT");
}

const NOTHING: Payload = { value: null, meta: [[[], "undefined"]] };

function payloadOf(text: string | null): Payload {
  return text === null ? NOTHING : (JSON.parse(text) as Payload);
}

/** @throws nothing: what the log cannot hold is the call's failure. */
function answer(call: LiveCall, payload: Payload): void {
  try {
    call.conclude("kv.answered", null, payload);
  } catch (error) {
    call.conclude("kv.failed", null, { error: toFailure(error) });
  }
}

function given(outcome: RunEvent, read: (value: unknown) => unknown): Settlement {
  if (outcome.type === "kv.failed") return rejected(fromFailure(outcome.data.error));
  assert(outcome.type === "kv.answered", "a call of keyed values ends by an answer or a failure");
  const settlement = resolved(outcome.data);
  try {
    return settlement.kind === "resolve" ? { kind: "resolve", value: read(settlement.value) } : settlement;
  } catch (error) {
    return rejected(error);
  }
}

/** The values that a schema describes. */
export type KvOf<S extends Schema> = Kv<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>;
