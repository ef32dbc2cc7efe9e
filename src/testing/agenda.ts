/**
 * Virtual time and what happens in it: one queue of tasks, of which the earliest runs next. Among those of one instant the
 * seed decides, which is how orders are explored.
 *
 * I1 Between two tasks lies one macrotask of the runtime, so every microtask of a task has run before the next begins. A
 *    promise that is awaited in between is not enough: whoever chains one more would run later.
 * I2 Nothing waits for real time.
 */
import type { Prng } from "./prng.ts";

/** `false`: there was nothing to do, such as for a timer that was cancelled. */
export type TaskBody = () => unknown;

interface Task {
  readonly at: number;
  readonly tie: number;
  readonly number: number;
  readonly run: TaskBody;
}

export class Agenda {
  readonly #ties: Prng;
  readonly #heap: Task[] = [];
  #now: number;
  #numbers = 0;
  /** In whose name the present task runs, down to its last microtask (I1); null: nobody's, such as the log's. */
  actor: unknown = null;

  /** @param now milliseconds since the epoch */
  constructor(now: number, ties: Prng) {
    this.#now = now;
    this.#ties = ties;
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

  /** Runs `run` after `ms` of virtual time. */
  after(ms: number, run: TaskBody): void {
    const task = { at: this.#now + Math.max(0, ms), tie: this.#ties.float(), number: this.#numbers++, run };
    this.#heap.push(task);
    this.#rise(this.#heap.length - 1);
  }

  /**
   * Runs tasks until `isOver`, until none is left, or until the next one lies after `until`. Returns whether `isOver`
   * became true.
   */
  async run(isOver: () => boolean, until: number): Promise<boolean> {
    while (!isOver()) {
      const first = this.#heap[0];
      if (first === undefined || first.at > until) return false;
      this.#take();
      this.#now = first.at;
      this.actor = null;
      // A macrotask is half the price of a task, and what did nothing has left no microtasks.
      if (first.run() !== false) await macrotask();
    }
    return true;
  }

  #take(): void {
    const last = this.#heap.pop() as Task;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
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

  #sink(): void {
    let index = 0;
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

/** Resolves when every microtask that is queued now, and those that they queue, have run. */
export const macrotask = () => new Promise<void>((resolve) => setImmediate(resolve));
