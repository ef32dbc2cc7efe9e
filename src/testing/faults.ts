/**
 * What goes wrong in a simulation, and where.
 *
 * I1 Whether a call meets a fault depends on the seed, the process, the call site and how often that site was called there,
 *    and on nothing else: a fault that is left out moves no other one. So a failing seed can be made smaller.
 */
import { Prng } from "./prng.ts";

/** What may happen to a call of the store. */
export const FAULT_KINDS = [
  /** Another writer holds the lock: no effect. */
  "busy",
  /** The disk is full: no effect. */
  "full",
  /** The disk fails: no effect. */
  "io-error",
  /** The request never arrives; the caller learns no more than that no answer came. */
  "lost-request",
  /** It has its effect, and the answer never comes. */
  "lost-reply",
  /** It has its effect long after the caller has given up. */
  "late-request",
  /** It has its effect twice: something on the way sent it again. */
  "duplicate",
  /** The process dies when it has sent nothing yet. */
  "crash-before",
  /** The process dies when the effect has happened, and before the answer. */
  "crash-after",
  /** The process dies with the answer. */
  "crash-at-reply",
] as const;

/** Those that a file can meet which the process itself reads and writes: on that way nothing is lost. */
export const FAULT_KINDS_OF_A_FILE = [
  "busy",
  "full",
  "io-error",
  "crash-before",
  "crash-after",
  "crash-at-reply",
] as const;

export type FaultKind =
  | (typeof FAULT_KINDS)[number]
  /** It has its effect, and the answer takes seconds. In no swarm: seeds go on to mean what they meant. */
  | "slow-reply";

/** How often each kind happens: a probability a call. */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>;

/** A fault that happened: which, where, and its name for leaving it out. */
export interface Fault {
  /** `process/site/count`. */
  readonly id: string;
  readonly kind: FaultKind;
}

export interface FaultOptions {
  readonly seed: string;
  readonly rates: FaultRates;
  /** Ids of faults that do not happen. */
  readonly without?: ReadonlySet<string>;
  /** The only calls that fail, and how: for lanes that try each call in turn. */
  readonly only?: readonly Fault[];
  /** Has the last word on a fault that would happen. */
  readonly mayHappen?: (fault: Fault) => boolean;
}

export class Faults {
  readonly #options: FaultOptions;
  readonly #counts = new Map<string, number>();
  readonly #happened: Fault[] = [];
  readonly #calls = new Map<string, number>();
  #stopped = false;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** What has gone wrong so far, in order. */
  get happened(): readonly Fault[] {
    return this.#happened;
  }

  /** How often each site was called while faults could happen. */
  get calls(): ReadonlyMap<string, number> {
    return this.#calls;
  }

  /** How many calls a process has made. */
  callsOf(proc: string): number {
    let count = 0;
    for (const [place, calls] of this.#counts) if (place.startsWith(`${proc}/`)) count += calls;
    return count;
  }

  /** From now on nothing goes wrong. */
  stop(): void {
    this.#stopped = true;
  }

  /** What happens to the next call of `site` in `process`; null: nothing. */
  decide(proc: string, site: string): FaultKind | null {
    const place = `${proc}/${site}`;
    const count = (this.#counts.get(place) ?? 0) + 1;
    this.#counts.set(place, count);
    if (this.#stopped) return null;
    this.#calls.set(site, (this.#calls.get(site) ?? 0) + 1);
    const id = `${place}/${count}`;
    const kind = this.#options.only === undefined ? this.#drawn(id, site) : this.#chosen(id);
    if (kind === null || this.#options.without?.has(id) === true) return null;
    if (this.#options.mayHappen?.({ id, kind }) === false) return null;
    this.#happened.push({ id, kind });
    return kind;
  }

  #chosen(id: string): FaultKind | null {
    return this.#options.only?.find((fault) => fault.id === id)?.kind ?? null;
  }

  #drawn(id: string, site: string): FaultKind | null {
    const { rates, seed } = this.#options;
    const kinds = Object.entries(rates) as [FaultKind, number][];
    if (kinds.length === 0) return null;
    let left = new Prng(`${seed}/fault/${id}`).float() / (WEIGHTS[site] ?? 1);
    for (const [kind, rate] of kinds) {
      left -= rate;
      if (left < 0) return kind;
    }
    return null;
  }
}

/** Sites that are called often fail less often, so that the rare ones fail often enough. */
const WEIGHTS: Readonly<Record<string, number>> = {
  changed: 0.3,
  workAhead: 0.3,
  heartbeat: 0.5,
  openWorker: 0.5,
  releaseStuck: 0.5,
  now: 3,
  claim: 3,
  load: 3,
  getRun: 10,
  listRuns: 5,
  runWindow: 5,
  strays: 5,
  readHistory: 5,
  lastPosition: 5,
  closeWorker: 10,
  disown: 5,
  readInbox: 40,
  getKeyed: 3,
  getOperation: 10,
  putKeyed: 3,
  requestLock: 10,
  changeSchedule: 10,
  getSchedule: 10,
  schedulesAhead: 3,
  requestWait: 10,
  expireWait: 10,
  publishMessage: 10,
  dispatchMessage: 10,
  reopen: 10,
  planNotices: 5,
  settleNotices: 5,
  retryNotices: 5,
  enableEndpoint: 5,
};

/** Probabilities of a kind that is drawn at all. */
const RATES = [0.01, 0.03, 0.1] as const;

/**
 * The kinds that happen in one simulation, and how often: a swarm. Most kinds are left out of most simulations, because
 * faults hide each other. A third has none at all.
 */
export function swarm(prng: Prng, kinds: readonly FaultKind[] = FAULT_KINDS): FaultRates {
  if (prng.chance(1 / 3)) return {};
  const share = prng.pick([0.15, 0.3, 0.6]);
  const drawn = kinds.filter(() => prng.chance(share));
  return Object.fromEntries(drawn.map((kind) => [kind, prng.pick(RATES) / Math.max(1, drawn.length / 3)]));
}
