/**
 * What the checker holds the limits of runs to. It goes by the histories and by who owns which run, never by the places that
 * the log keeps.
 *
 * Owns: the limits of the runs that have any. Called by the checker at every write, every claim, and at the end.
 */
import type { EventRow } from "../kernel/events.ts";
import type { PlaceLimit } from "../kernel/place-limit.ts";
import type { PlaceRow } from "../log/port-places.ts";
import type { RunBook } from "./book.ts";
import type { PredicateName } from "./predicates.ts";

type Expect = (predicate: PredicateName, holds: boolean, what: () => string) => void;

export class LimitsBook {
  readonly #expect: Expect;
  readonly #books: ReadonlyMap<string, RunBook>;
  readonly #limits = new Map<string, readonly PlaceLimit[]>();

  constructor(expect: Expect, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#books = books;
  }

  /** The log has a new event. */
  recorded({ runId, type, data }: EventRow): void {
    if (type !== "run.created" || data?.includes('"limits":') !== true) return;
    const { limits = [] } = JSON.parse(data) as { readonly limits?: readonly PlaceLimit[] };
    this.#limits.set(runId, limits);
  }

  /** Something was written or claimed: who is in each line now? */
  look(): void {
    const inLine = new Map<string, { readonly slots: number; readonly runs: string[] }>();
    for (const [runId, limits] of this.#limits) {
      const book = this.#books.get(runId);
      if (book === undefined || !hasBegun(book)) continue;
      for (const { line, slots, hold } of limits) {
        if (hold === "work" && !isWorkedOn(book)) continue;
        const found = inLine.get(line) ?? { slots, runs: [] };
        found.runs.push(runId);
        inLine.set(line, found);
      }
    }
    for (const [line, { slots, runs }] of inLine)
      this.#expect(
        "limits-hold",
        runs.length <= slots,
        () => `${line} lets in ${slots}, and there are ${runs.join(", ")}`,
      );
  }

  /** Whether a run waits in a line that has no place left but those of runs that keep theirs for good. */
  standsBehind(keepsIt: (runId: string) => boolean, runId: string): boolean {
    const book = this.#books.get(runId);
    if (book === undefined || book.isOver || wasAdmitted(book)) return false;
    return this.limitsOf(runId).some(({ line, slots, hold }) => {
      const kept = hold === "work" ? [] : this.#within(line).filter(keepsIt);
      return kept.length >= slots;
    });
  }

  /** Who has a place in a line that is kept to the end of the run. */
  #within(line: string): string[] {
    const found: string[] = [];
    for (const [runId, limits] of this.#limits) {
      const book = this.#books.get(runId);
      if (book !== undefined && wasAdmitted(book) && limits.some((each) => each.line === line)) found.push(runId);
    }
    return found;
  }

  /** What a run was created with. */
  limitsOf(runId: string): readonly PlaceLimit[] {
    return this.#limits.get(runId) ?? [];
  }

  /** Runs that have limits. */
  get runIds(): readonly string[] {
    return [...this.#limits.keys()];
  }

  /** Once nothing is under way any more. `places`: what the log has of a run. */
  finish(runId: string, places: readonly PlaceRow[]): void {
    const isOver = this.#books.get(runId)?.isOver === true;
    this.#expect("no-slot-leaks", !isOver || places.length === 0, () => `run ${runId} is over and has a place`);
  }
}

/** It has done more than to be started, or reopened, and is not over. What is only cancelled in line ends with its first write. */
function hasBegun({ events, isOver }: RunBook): boolean {
  return events.length > 1 && events.at(-1)?.type !== "run.reopened" && !isOver;
}

/** It is not over, and has been claimed since it got in line, whether or not it has come to write anything. */
function wasAdmitted(book: RunBook): boolean {
  const last = book.events.at(-1);
  return hasBegun(book) || (!book.isOver && last !== undefined && (book.owner !== null || book.epoch > last.epoch));
}

/** Its owner has begun: what is claimed only to be terminated needs no place, and ends with its first write. */
function isWorkedOn({ events, epoch, owner }: RunBook): boolean {
  return owner !== null && events.at(-1)?.epoch === epoch;
}
