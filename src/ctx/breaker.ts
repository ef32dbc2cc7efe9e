/** Breakers: what a step or a scope asks before it begins, and tells when it has ended. The rules are `kernel/breaker.ts`. */
import { assert } from "../kernel/assert.ts";
import {
  type Admission,
  admit,
  after,
  BREAKER_SCOPE,
  type BreakerChange,
  type BreakerPolicy,
  type BreakerState,
  breakerState,
  type Passage,
} from "../kernel/breaker.ts";
import { BreakerOpenError } from "../kernel/errors.ts";
import { KEYED_TRIES_MAX } from "../kernel/keyed.ts";
import type { CallRequest, LiveCall, ScopeHandle, Shared } from "../worker/recorder.ts";
import { rejected } from "./settle.ts";

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

  /**
   * Asks whether the call may go on with what `attempt` numbers. `isReady`: whether it could go on now; if not, nothing is
   * recorded of the answer, which is found again when it is asked for.
   */
  admit(attempt: number | null, isReady: () => boolean, then: (admission: Admission) => void): void {
    const decide = (before: BreakerState): Decision<Admission> => {
      const answer = admit(before, this.#policy, this.#caller, this.#now);
      return { answer, state: answer.kind === "probe" ? answer.state : before };
    };
    const go = (admission: Admission | null) => then(admission ?? { kind: "refuse", until: this.#now });
    this.#change(`admit.${attempt}`, attempt, decide, go, { isReady });
  }

  /** Tells how it went. */
  report(attempt: number | null, passage: Passage, then: () => void): void {
    const decide = (before: BreakerState): Decision<null> => {
      const state = after(before, this.#policy, { caller: this.#caller, passage, now: this.#now });
      return { answer: null, state };
    };
    this.#change(`report.${attempt}`, attempt, decide, then);
  }

  /** An attempt was lost with its worker, which may have told how it went: if so, what came of it is recorded now. */
  recall(attempt: number, then: () => void): void {
    const id = `report.${attempt}`;
    this.#change(id, attempt, (state) => ({ answer: null, state }), then, { mayHavePut: true });
  }

  get #now(): number {
    return Math.floor(this.#call.now());
  }

  /** @param mayHavePut whether this was tried before, by whoever had the run */
  #change<T>(
    id: string,
    attempt: number | null,
    decide: (state: BreakerState) => Decision<T>,
    then: (answer: T | null) => void,
    { mayHavePut = false, isReady = always }: { readonly mayHavePut?: boolean; readonly isReady?: () => boolean } = {},
  ): void {
    const { name } = this.#policy;
    const turn = new BreakerTurn(name, decide, mayHavePut);
    this.#call.operate({
      id: `${this.#call.key}#${id}`,
      run: (shared) => turn.take(shared),
      done: ({ answer, change }) => {
        if (!isReady()) return;
        if (change !== null) this.#call.record("breaker.changed", attempt, { name, ...change });
        then(answer);
      },
    });
  }
}

const always = (): boolean => true;

interface Decision<T> {
  readonly answer: T;
  /** What the breaker's state is to be: the very one that it was, if it stays. */
  readonly state: BreakerState;
}

interface Taken<T> {
  /** Null: others were faster every time, and nothing was changed. */
  readonly answer: T | null;
  readonly change: BreakerChange | null;
}

/** A decision on the state that is there when it is put. It may be tried several times, and is taken once. */
class BreakerTurn<T> {
  readonly #name: string;
  readonly #decide: (state: BreakerState) => Decision<T>;
  #mayHavePut: boolean;

  constructor(name: string, decide: (state: BreakerState) => Decision<T>, mayHavePut: boolean) {
    this.#name = name;
    this.#decide = decide;
    this.#mayHavePut = mayHavePut;
  }

  async take(shared: Shared): Promise<Taken<T>> {
    for (let tries = 0; tries < KEYED_TRIES_MAX; tries++) {
      const { value, version } = await shared.get(BREAKER_SCOPE, this.#name);
      const before = breakerState(value);
      const { answer, state } = this.#decide(before);
      // What an earlier try has put may be what is there: only another put tells, though it be the same again.
      const isNews = state !== before || (this.#mayHavePut && value !== null);
      if (!isNews) return { answer, change: version === 0 ? null : noted(await shared.inherited()) };
      const change = state.status === before.status ? null : { from: before.status, to: state.status };
      this.#mayHavePut = true;
      const verdict = await shared.put({
        scope: BREAKER_SCOPE,
        key: this.#name,
        value: JSON.stringify({ value: state }),
        ttlMs: null,
        ifVersion: version,
        note: JSON.stringify(change),
      });
      if (verdict.kind === "put") return { answer, change };
      if (verdict.kind === "done") return { answer, change: noted(verdict) };
    }
    return { answer: null, change: null };
  }
}

/** The change that a put has noted. */
function noted(verdict: { readonly note: string | null } | null): BreakerChange | null {
  return JSON.parse(verdict?.note ?? "null") as BreakerChange | null;
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
      new Breaker(call, policy).admit(null, always, (admission) => {
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
