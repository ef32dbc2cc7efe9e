/**
 * How virtual time passes in a test. What is due happens by itself, without being asked for; time moves only while somebody
 * lets it pass, from one instant at which something is due to the next.
 *
 * Owns: the loop over the agenda. Called by the test engine, for what the test asks for.
 *
 * I1 Time stands still while something is due, while the test waits for the answer to a call, and while a body does what
 *    takes real time.
 * I2 Time does not pass the end of an advance that is under way, whoever else would let it.
 * I3 Between two instants lies a macrotask, so that whoever has got what he waited for can ask for more before time moves.
 */
import { type Agenda, macrotask } from "./agenda.ts";

export interface PaceHost {
  /**
   * What keeps time from moving: `"work"`, the end of which wakes the pace; an error, for what may not keep it; null:
   * nothing.
   */
  readonly keeper: () => "work" | Error | null;
  /** Why nothing goes on any more; null: it does. */
  readonly failure: () => Error | null;
}

/** Why time cannot bring what somebody waits for: nothing is due any more, or it has moved too often. */
export type InVain = "nothing-due" | "endless";

/** Somebody who lets time pass. */
interface Waiter {
  /** Not past this instant. */
  readonly until: number;
  /** Has it once time has moved at all. */
  readonly isAnyMove: boolean;
  readonly done: () => void;
  readonly failed: (why: InVain | Error) => void;
  moves: number;
}

/** So many macrotasks may pass before what seems to come never is given up: some of the platform's promises take a few. */
const PATIENCE = 50;

/** Nobody lets time move further than so many instants in one wait without saying how long. */
export const MOVES_MAX = 100_000;

export class Pace {
  readonly #agenda: Agenda;
  readonly #host: PaceHost;
  readonly #waiters = new Set<Waiter>();
  /** Told when nothing is due any more at this instant. */
  #restless: (() => void)[] = [];
  /** Calls of the test that have no answer yet. */
  #calls = 0;
  #isRunning = false;
  /** What a task threw. */
  #thrown: Error | null = null;

  constructor(agenda: Agenda, host: PaceHost) {
    this.#agenda = agenda;
    this.#host = host;
    agenda.added = () => this.wake();
  }

  /** Lets so much time pass. */
  advance(ms: number): Promise<void> {
    const until = this.#agenda.now + ms;
    // Something to do at the very end, so that time gets there.
    this.#agenda.after(ms, () => false);
    return this.#wait({ until, isAnyMove: false });
  }

  /** Lets time pass to the next instant at which something is due, and that happen. Rejects with {@link InVain}. */
  next(): Promise<void> {
    return this.#wait({ until: Number.POSITIVE_INFINITY, isAnyMove: true });
  }

  #wait(bounds: Pick<Waiter, "until" | "isAnyMove">): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { ...bounds, moves: 0, done: resolve, failed: reject };
      this.#waiters.add(waiter);
      this.wake();
    });
  }

  /** Lets time pass until the returned function is called. */
  letPass(failed: Waiter["failed"]): () => void {
    const waiter: Waiter = { until: Number.POSITIVE_INFINITY, isAnyMove: false, moves: 0, done: () => {}, failed };
    this.#waiters.add(waiter);
    this.wake();
    return () => {
      this.#waiters.delete(waiter);
    };
  }

  /** The answer to a call of the test, and what follows from it at this instant has happened. */
  async during<T>(answer: Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await answer;
    } finally {
      this.#calls--;
      await this.quiet();
    }
  }

  /** Nothing is due any more at this instant. What takes real time may be under way. */
  async quiet(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#restless.push(resolve);
      this.wake();
    });
    const failure = this.#failure;
    if (failure !== null) throw failure;
  }

  /** Something may go on. */
  wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // Not at once: whoever plans something for now does not expect it to have happened.
    void macrotask().then(() => this.#run());
  }

  async #run(): Promise<void> {
    let idle = 0;
    for (;;) {
      await this.#happen(this.#agenda.now);
      for (const tell of this.#restless.splice(0)) tell();
      await macrotask();
      if (this.#agenda.dueAt <= this.#agenda.now || this.#restless.length > 0) continue;
      const next = this.#next(idle < PATIENCE);
      if (next === "rest") break;
      idle = next === "look-again" ? idle + 1 : 0;
      if (next !== "look-again") await this.#happen(next);
    }
    this.#isRunning = false;
  }

  async #happen(until: number): Promise<void> {
    try {
      await this.#agenda.run(() => false, until);
    } catch (error) {
      this.#thrown ??= error as Error;
    }
    // What goes on outside of any task is nobody's.
    this.#agenda.actor = null;
  }

  get #failure(): Error | null {
    return this.#thrown ?? this.#host.failure();
  }

  /** To which instant time moves; or that it rests until something wakes it. Nothing is due now. */
  #next(isPatient: boolean): number | "look-again" | "rest" {
    const failure = this.#failure;
    if (failure !== null) this.#fail(failure);
    if (this.#waiters.size === 0 || this.#calls > 0) return "rest";
    const keeper = this.#host.keeper();
    if (keeper === "work") return "rest";
    if (keeper !== null) {
      if (!isPatient) this.#fail(keeper);
      return "look-again";
    }
    const arrived = [...this.#waiters].filter((waiter) => this.#hasArrived(waiter));
    for (const waiter of arrived) this.#end(waiter).done();
    if (arrived.length > 0) return "look-again";
    const { dueAt } = this.#agenda;
    if (Number.isFinite(dueAt)) return this.#move(dueAt);
    if (!isPatient) this.#fail("nothing-due");
    return "look-again";
  }

  #hasArrived({ until, isAnyMove, moves }: Waiter): boolean {
    return isAnyMove ? moves > 0 : until <= this.#agenda.now;
  }

  #move(dueAt: number): number | "look-again" {
    const tired = [...this.#waiters].filter(({ until, moves }) => moves >= MOVES_MAX && !Number.isFinite(until));
    for (const waiter of tired) this.#end(waiter).failed("endless");
    if (tired.length > 0) return "look-again";
    for (const waiter of this.#waiters) waiter.moves++;
    return dueAt;
  }

  #fail(why: InVain | Error): void {
    for (const waiter of [...this.#waiters]) this.#end(waiter).failed(why);
  }

  #end(waiter: Waiter): Waiter {
    this.#waiters.delete(waiter);
    return waiter;
  }
}
