/**
 * Virtual time and what happens in it: one queue of tasks, of which the earliest runs next. Among those of one instant the
 * seed decides, which is how orders are explored. Or somebody chooses: then a task may also run later than it is due, as
 * things do in processes and on the ways between them.
 *
 * I1 Between two tasks lies one macrotask of the runtime, so every microtask of a task has run before the next begins. A
 *    promise that is awaited in between is not enough: whoever chains one more would run later.
 * I2 Nothing waits for real time.
 */
import type { Random } from "../kernel/ports.ts";

/** `false`: there was nothing to do, such as for a timer that was cancelled. */
export type TaskBody = () => unknown;

/** A task that has not run. */
export interface PendingTask {
  /** When it is due. */
  readonly at: number;
  /** Tasks are numbered in the order in which they were added. */
  readonly number: number;
  /** The number of the task that added it; null: none did. */
  readonly parent: number | null;
  /** The process in which it happens; null: in none, as what has left one. */
  readonly place: string | null;
}

/** Picks one of the tasks that are due, or lets time pass until the next one is (null). */
export type Choose = (pending: readonly PendingTask[], now: number) => PendingTask | null;

interface Task extends PendingTask {
  readonly tie: number;
  readonly run: TaskBody;
  readonly isVoid: () => boolean;
}

export class Agenda {
  readonly #ties: Pick<Random, "float">;
  readonly #choose: Choose | null;
  readonly #heap: Task[] = [];
  readonly #boundary = new Boundary();
  #now: number;
  #numbers = 0;
  /** In whose name the present task runs, down to its last microtask (I1); null: nobody's, such as the log's. */
  actor: unknown = null;
  /** Called whenever a task was added. */
  added: () => void = () => {};
  /** The number of the task that runs. */
  #running: number | null = null;

  /** @param now milliseconds since the epoch */
  constructor(now: number, ties: Pick<Random, "float">, choose: Choose | null = null) {
    this.#now = now;
    this.#ties = ties;
    this.#choose = choose;
  }

  get now(): number {
    return this.#now;
  }

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  /** How many tasks were added. */
  get count(): number {
    return this.#numbers;
  }

  /** When the next task is due that has something to do; infinite: none is left. */
  get dueAt(): number {
    while (this.#heap[0]?.isVoid() === true) this.#remove(0);
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Runs `run` after `ms` of virtual time, in the process of this name if there is one. `isVoid`: whether it has nothing
   * to do any more, as a timer that was cancelled.
   */
  after(ms: number, run: TaskBody, place: string | null = null, isVoid = () => false): void {
    const at = this.#now + Math.max(0, ms);
    this.#heap.push({
      at,
      tie: this.#ties.float(),
      number: this.#numbers++,
      parent: this.#running,
      place,
      run,
      isVoid,
    });
    this.#rise(this.#heap.length - 1);
    this.added();
  }

  /**
   * Runs tasks until `isOver`, until none is left, or until the next one lies after `until`. Returns whether `isOver`
   * became true.
   */
  async run(isOver: () => boolean, until: number): Promise<boolean> {
    while (!isOver()) {
      const task = this.#choose === null ? (this.#heap[0] ?? null) : this.#choose(this.#heap, this.#now);
      const at = task?.at ?? this.#nextAt();
      if (at > until) return false;
      this.#now = Math.max(this.#now, at);
      if (task !== null) await this.#perform(this.#heap.indexOf(task as Task));
    }
    return true;
  }

  /** The next instant at which something becomes due. */
  #nextAt(): number {
    return Math.min(...this.#heap.map(({ at }) => at).filter((at) => at > this.#now));
  }

  async #perform(index: number): Promise<void> {
    const { number, run } = this.#heap[index] as Task;
    this.#remove(index);
    this.#running = number;
    this.actor = null;
    // A macrotask is half the price of a task, and what did nothing has left no microtasks.
    if (run() !== false) await this.#boundary.next();
    this.#running = null;
  }

  #remove(index: number): void {
    const last = this.#heap.pop() as Task;
    if (index === this.#heap.length) return;
    this.#heap[index] = last;
    this.#sink(index);
    this.#rise(index);
  }

  #rise(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #sink(from: number): void {
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let first = index;
      if (left < this.#heap.length && this.#isBefore(left, first)) first = left;
      if (right < this.#heap.length && this.#isBefore(right, first)) first = right;
      if (first === index) return;
      this.#swap(index, first);
      index = first;
    }
  }

  #isBefore(i: number, j: number): boolean {
    const [a, b] = [this.#heap[i] as Task, this.#heap[j] as Task];
    if (a.at !== b.at) return a.at < b.at;
    return a.tie === b.tie ? a.number < b.number : a.tie < b.tie;
  }

  #swap(i: number, j: number): void {
    const [a, b] = [this.#heap[i] as Task, this.#heap[j] as Task];
    this.#heap[i] = b;
    this.#heap[j] = a;
  }
}

/** A turn of the platform's event loop: whatever it has brought from outside is there. */
export const macrotask = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Turns of {@link Boundary} that are asked for at a time. */
const TURNS_AHEAD = 64;

/**
 * Where a task ends: at a macrotask, when all its microtasks have run. Macrotasks are asked for ahead, many for one turn of
 * the event loop, which costs more than most tasks; between two of them the platform runs all microtasks.
 */
class Boundary {
  #asked = 0;
  #waiting: (() => void) | null = null;

  next(): Promise<void> {
    if (this.#asked === 0) this.#ask();
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #ask(): void {
    this.#asked = TURNS_AHEAD;
    for (let i = 0; i < TURNS_AHEAD; i++) setImmediate(this.#come);
  }

  readonly #come = () => {
    this.#asked--;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  };
}
