/** Breakers: what a step or a scope asks before it begins, and tells when it has ended. The rules are `kernel/breaker.ts`. */
import { assert } from "../kernel/assert.ts";
import {
  type Admission,
  admit,
  after,
  type BreakerChange,
  type BreakerPolicy,
  type BreakerState,
  CLOSED,
  type Passage,
} from "../kernel/breaker.ts";
import { BreakerOpenError } from "../kernel/errors.ts";
import { KEYED_TRIES_MAX } from "../kernel/keyed.ts";
import type { CallRequest, LiveCall, ScopeHandle, Shared } from "../worker/recorder.ts";
import { rejected } from "./settle.ts";

/** The scope of keyed values in which breakers are. */
const SCOPE = "breaker";

/** A breaker as one call uses it. What the call does to it is done once, whoever goes on with the run. */
export class Breaker {
  readonly #call: LiveCall;
  readonly #policy: BreakerPolicy;
  readonly #caller: string;

  /** @param key under which the breaker knows its caller */
  constructor(call: LiveCall, policy: BreakerPolicy, key: string = call.key) {
    this.#call = call;
    this.#policy = policy;
    this.#caller = `${call.run.id}/${key}`;
  }

  /** Asks whether the call may go on with what `attempt` numbers. */
  admit(attempt: number | null, then: (admission: Admission) => void): void {
    this.#change(
      `admit.${attempt}`,
      attempt,
      (state) => {
        const admission = admit(state, this.#policy, this.#caller, this.#now);
        return { answer: admission, state: admission.kind === "probe" ? admission.state : null };
      },
      then,
    );
  }

  /** Tells how it went. */
  report(attempt: number | null, passage: Passage, then: () => void): void {
    this.#change(
      `report.${attempt}`,
      attempt,
      (before) => {
        const state = after(before, this.#policy, { caller: this.#caller, passage, now: this.#now });
        return { answer: passage, state: state === before ? null : state };
      },
      then,
    );
  }

  /** An attempt was lost with its worker, which may have told how it went: if so, what came of it is recorded now. */
  recall(attempt: number, then: () => void): void {
    // The same state again: only the answer to the put that there may have been matters.
    this.#change(`report.${attempt}`, attempt, (state) => ({ answer: null, state }), then);
  }

  get #now(): number {
    return Math.floor(this.#call.now());
  }

  #change<T>(
    id: string,
    attempt: number | null,
    decide: (state: BreakerState) => Decision<T>,
    then: (answer: T) => void,
  ): void {
    const { name } = this.#policy;
    this.#call.operate({
      id: `${this.#call.key}#${id}`,
      run: (shared) => changeBreaker(shared, name, decide),
      done: ({ answer, change }) => {
        if (change !== null) this.#call.record("breaker.changed", attempt, { name, ...change });
        then(answer);
      },
    });
  }
}

interface Decision<T> {
  readonly answer: T;
  /** What the breaker's state is to be; null: as it is. */
  readonly state: BreakerState | null;
}

interface Changed<T> {
  readonly answer: T;
  readonly change: BreakerChange | null;
}

/** A decision on the state that is there when it is put. One that never gets its turn changes nothing. */
async function changeBreaker<T>(
  shared: Shared,
  name: string,
  decide: (state: BreakerState) => Decision<T>,
): Promise<Changed<T>> {
  for (let tries = 1; ; tries++) {
    const { value, version } = await shared.get(SCOPE, name);
    const before = value === null ? CLOSED : (JSON.parse(value) as { readonly value: BreakerState }).value;
    const { answer, state } = decide(before);
    if (state === null || tries > KEYED_TRIES_MAX) return { answer, change: null };
    const change = state.status === before.status ? null : { from: before.status, to: state.status };
    const note = change === null ? null : JSON.stringify(change);
    const put = { scope: SCOPE, key: name, value: JSON.stringify({ value: state }), ttlMs: null, ifVersion: version };
    const verdict = await shared.put({ ...put, note });
    if (verdict.kind === "put") return { answer, change };
    if (verdict.kind === "done")
      return { answer, change: verdict.note === null ? null : (JSON.parse(verdict.note) as BreakerChange) };
  }
}

/** Why the breaker let nothing through. */
export function breakerOpen(name: string, until: number, step: string): BreakerOpenError {
  return new BreakerOpenError(
    "BREAKER_OPEN",
    `the breaker "${name}" is open until ${new Date(until).toISOString()}, because what it guards has failed too often; nothing was tried`,
    { name, until, step },
  );
}

/** What a part of a run that a breaker guards is asked for with. */
export interface BreakerParts {
  readonly scope: ScopeHandle;
  readonly policy: BreakerPolicy;
}

/** What a breaker that lets a scope begin knows of it. */
export interface Admitted {
  readonly key: string;
  readonly isProbe: boolean;
}

/** Asks whether a scope may begin. */
export function admissionRequest({ scope, policy }: BreakerParts): CallRequest {
  const { name } = policy;
  return {
    kind: "breaker",
    name: `${name}.breaker`,
    scope,
    isSharing: true,
    live: (call) =>
      new Breaker(call, policy).admit(null, (admission) => {
        if (admission.kind === "refuse") call.conclude("breaker.refused", null, { name, until: admission.until });
        else call.conclude("breaker.admitted", null, admission.kind === "probe" ? { probe: true } : {});
      }),
    given: (outcome, call) => {
      if (outcome.type === "breaker.refused") return rejected(breakerOpen(name, outcome.data.until, call.key));
      assert(outcome.type === "breaker.admitted", "a breaker lets a call through or refuses it");
      return { kind: "resolve", value: { key: call.key, isProbe: outcome.data.probe === true } satisfies Admitted };
    },
  };
}

/** Tells the breaker how it went with what it let through. */
export function reportRequest({ scope, policy }: BreakerParts, { key }: Admitted, passage: Passage): CallRequest {
  return {
    kind: "breaker",
    name: `${policy.name}.report`,
    scope,
    isSharing: true,
    live: (call) =>
      new Breaker(call, policy, key).report(null, passage, () => call.conclude("breaker.reported", null, {})),
    given: () => ({ kind: "resolve", value: undefined }),
  };
}
