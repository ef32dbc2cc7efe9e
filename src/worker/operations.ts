/**
 * What calls do to what runs share: keyed values, locks, the queues of steps, and waits for messages.
 *
 * Owns: nothing; an operation is a task of the run's bodies (`bodies.ts`), and so an effect like theirs: it begins once all
 * that was queued is durable, under the lease, and the run stays with this worker until it is answered or given up.
 *
 * I1 What an operation changes is changed once, however often it is tried and by whom: its puts are done in the name of the
 *    run and the call, under the run's epoch.
 * I2 The answer to a put is kept by the store until what it came to is in the log: both by one write. If it answered for an
 *    earlier try, it is kept until the run ends: the later try may come again, to a version that is there still.
 * I3 A store that does not answer is asked again, with back-off, until it does.
 */
import { assert } from "../kernel/assert.ts";
import { StoreError } from "../kernel/errors.ts";
import type { Clock, Random } from "../kernel/ports.ts";
import type { SlotQueue } from "../kernel/queues.ts";
import type { LogStore } from "../log/port.ts";
import type { KeyedVerdict } from "../log/port-keyed.ts";
import { Backoff } from "./backoff.ts";
import type { Task } from "./bodies.ts";
import type { Journal } from "./journal.ts";
import type {
  AwaitedMessage,
  BodySurroundings,
  Operation,
  PutVerdict,
  Shared,
  SharedPut,
  WantedMessage,
} from "./recorder.ts";
import { awaitMessage, expireWait, type WaitStore } from "./waits.ts";

/** The part of the log that runs share. */
export type SharedStore = Pick<LogStore, "getKeyed" | "listKeyed" | "putKeyed" | "getOperation" | "requestLock"> &
  WaitStore;

/** What operations take from their surroundings. */
export interface OperationsHost {
  readonly store: SharedStore;
  readonly clock: Clock;
  readonly random: Random;
  /** The run is somebody else's. */
  lost(): void;
  /** The store will not do it. */
  refused(error: Error): void;
  /** Whether a place is, or is to be, in a line. */
  isInLine(place: string): boolean;
  /** A request for a place was answered when its call had left the line. */
  hasLeft(place: string): void;
}

/** Of a run's first owner. */
const FIRST_EPOCH = 1;

/** The run is somebody else's: the operation comes to nothing. */
const LOST = Symbol("lost");

export class Operations {
  readonly #host: OperationsHost;
  readonly #journal: Journal;

  constructor(host: OperationsHost, journal: Journal) {
    this.#host = host;
    this.#journal = journal;
  }

  /** An operation of the call under `key`, as a task. */
  task<T>(key: string, operation: Operation<T>): Task {
    const shared = new SharedByRun(this.#host, this.#journal, operation.place ?? key, operation.id ?? key);
    return {
      attempt: null,
      timeoutMs: null,
      endures: operation.entersLine === true,
      run: (surroundings) => this.#insist(() => operation.run(shared), surroundings),
      ended: (outcome) => {
        assert(outcome.kind === "value", "an operation is tried until it is answered");
        if (outcome.value !== LOST) this.#answered(operation, shared, outcome.value as T);
      },
    };
  }

  /** Invariant I3. */
  async #insist<T>(attempt: () => Promise<T>, { signal }: BodySurroundings): Promise<T | typeof LOST> {
    const backoff = new Backoff(this.#host);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (signal.aborted) return LOST;
        if (error === LOST) this.#host.lost();
        else if (!(error instanceof StoreError) || error.facts.retry !== true) this.#host.refused(error as Error);
      }
      if (!signal.aborted) await backoff.wait();
      if (signal.aborted) return LOST;
    }
  }

  #answered<T>(operation: Operation<T>, shared: SharedByRun, answer: T): void {
    const { state } = this.#journal;
    const before = state.head;
    operation.done(answer);
    // Invariant I2: what is not in the log will be asked for again, by whoever goes on with the run.
    if (shared.mayBeForgotten && state.head > before) this.#journal.reachBeyond().settled.push(shared.id);
    if (shared.hasEntered && !this.#host.isInLine(shared.place)) this.#host.hasLeft(shared.place);
  }
}

/** What runs share, in the name of a run's call. */
class SharedByRun implements Shared {
  /** The key of its place in a line, should it get in one. */
  readonly place: string;
  readonly id: string;
  /** Whether a put of it that came again would find another version, and so do nothing. */
  mayBeForgotten = false;
  hasEntered = false;
  readonly #host: Pick<OperationsHost, "store" | "isInLine">;
  readonly #journal: Journal;

  constructor(host: Pick<OperationsHost, "store" | "isInLine">, journal: Journal, place: string, id: string) {
    this.#host = host;
    this.#journal = journal;
    this.place = place;
    this.id = id;
  }

  get(...args: Parameters<Shared["get"]>): ReturnType<Shared["get"]> {
    return this.#host.store.getKeyed(...args);
  }

  list(...args: Parameters<Shared["list"]>): ReturnType<Shared["list"]> {
    return this.#host.store.listKeyed(...args);
  }

  async put({ note = null, ...put }: SharedPut): Promise<PutVerdict> {
    const verdict = held(await this.#host.store.putKeyed({ ...put, note, operation: this.#operation(this.id) }));
    this.mayBeForgotten = verdict.kind === "put";
    return verdict;
  }

  async inherited(): ReturnType<Shared["inherited"]> {
    if (this.#journal.epoch <= FIRST_EPOCH) return null;
    const noted = await this.#host.store.getOperation(this.#operation(this.id));
    return noted === null ? null : held(noted);
  }

  async enterLine(name: string, slots: number, queue?: SlotQueue): Promise<"granted" | "waiting"> {
    this.hasEntered = true;
    const verdict = await this.#host.store.requestLock({ name, slots, queue, operation: this.#operation(this.place) });
    if (verdict !== "lost") return verdict;
    // A place that has ended is refused as well.
    if (!this.#host.isInLine(this.place)) return "waiting";
    throw LOST;
  }

  awaitMessage(wanted: WantedMessage): Promise<AwaitedMessage> {
    return awaitMessage(this.#host.store, this.#operation(this.place), wanted, this.#journal.state.input, LOST);
  }

  expireWait(): Promise<AwaitedMessage> {
    return expireWait(this.#host.store, this.#operation(this.place), LOST);
  }

  #operation(key: string) {
    return { runId: this.#journal.state.id, epoch: this.#journal.epoch, key };
  }
}

function held<V extends KeyedVerdict>(verdict: V): Exclude<V, { kind: "lost" }> {
  if (verdict.kind === "lost") throw LOST;
  return verdict as Exclude<V, { kind: "lost" }>;
}
