/**
 * What the checker knows of bodies and code: a body begins once its attempt is in the log, while its run is held, and
 * alone; code is given what was recorded.
 *
 * Owns: the bodies that run, and what code has asked for last. Called by the checker, which worlds and engines tell.
 */
import { encodePayload } from "../kernel/codec.ts";
import type { Expect, RunBook } from "./book.ts";
import type { OwnerBook } from "./owner-book.ts";
import type { SimulatedProcess } from "./process.ts";

/** A body as it begins: what its step says of itself. */
export interface BodyStart {
  readonly runId: string;
  readonly key: string;
  readonly attempt: number;
  /** The most attempts that its options allow. */
  readonly attemptsMax?: number;
  /** Whether that is also so if the run is retried. */
  readonly once?: boolean;
  readonly signal?: { readonly aborted: boolean };
  /** The queue in which its attempt has stood. */
  readonly line?: { readonly name: string; readonly slots: number };
}

/** A body that runs. */
interface LiveBody {
  readonly runId: string;
  readonly line: BodyStart["line"] | null;
  readonly proc: SimulatedProcess;
  readonly epoch: number;
  readonly attempt: number;
  readonly signal: { readonly aborted: boolean } | null;
}

export class CodeBook {
  readonly #expect: Expect;
  readonly #owners: OwnerBook;
  readonly #books: ReadonlyMap<string, RunBook>;
  /** By run and key. */
  readonly #bodies = new Map<string, LiveBody>();
  /** By process and run: the key that its code has asked for last in its present replay. */
  readonly #asked = new Map<string, string>();

  constructor(expect: Expect, owners: OwnerBook, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#owners = owners;
    this.#books = books;
  }

  /** A body begins in `process`. Returns what tells that it has ended. */
  bodyStarts(
    proc: SimulatedProcess,
    { runId, key, attempt, attemptsMax, once = false, signal, line }: BodyStart,
  ): () => void {
    // What a dead process does has not happened.
    if (proc.isDead) return () => {};
    const book = this.#books.get(runId);
    const call = book?.calls.get(key);
    const place = () => `attempt ${attempt} of step ${key} of run ${runId} in ${proc.name}`;
    const started = book?.events.findLast((row) => row.type === "attempt.started" && row.key === key);
    this.#expect("attempt-before-body", started?.attempt === attempt, () => `${place()} is not in the log`);
    this.#expect("no-body-after-outcome", (call?.outcome ?? null) === null, () => `${place()} began after its outcome`);
    this.#expect("no-body-after-end", book?.isOver === false, () => `${place()} began after the run's end`);
    const owner = book?.owner ?? "";
    const isHeld = started?.epoch === book?.epoch && this.#owners.isAlive(owner) && owner.startsWith(`${proc.name}/`);
    this.#expect("body-under-lease", isHeld, () => `${place()} began while the run was held by ${owner || "nobody"}`);
    const id = `${runId} ${key}`;
    const live = this.#bodies.get(id);
    const isOther = live !== undefined && !live.proc.isDead && live.epoch === book?.epoch && live.attempt === attempt;
    this.#expect("one-live-attempt", !isOther, () => `${place()} began while another ran in ${live?.proc.name}`);
    const isLeft = live !== undefined && live.proc === proc && live.signal?.aborted === false;
    this.#expect(
      "superseded-body-aborted",
      !isLeft,
      () => `${place()} began and attempt ${live?.attempt} was not aborted`,
    );
    if (attemptsMax !== undefined)
      this.#expect(
        "attempts-within-policy",
        attempt - (once ? 0 : (call?.forgiven ?? 0)) <= attemptsMax,
        () => `${place()} is one of ${attemptsMax}`,
      );
    const epoch = book?.epoch ?? 0;
    const body: LiveBody = { runId, line: line ?? null, proc, epoch, attempt, signal: signal ?? null };
    this.#bodies.set(id, body);
    if (line !== undefined) this.#checkQueue(line);
    return () => {
      if (this.#bodies.get(id) === body) this.#bodies.delete(id);
    };
  }

  /** No more bodies of a queue run than it has slots, by those who own their runs. */
  #checkQueue({ name, slots }: NonNullable<BodyStart["line"]>): void {
    const running = [...this.#bodies.values()].filter(({ runId, line, proc, epoch, signal }) => {
      const book = this.#books.get(runId);
      const isHeld = book?.epoch === epoch && this.#owners.isAlive(book.owner ?? "");
      return line?.name === name && isHeld && !proc.isDead && signal?.aborted !== true;
    });
    this.#expect(
      "limits-hold",
      running.length <= slots,
      () => `queue ${name} has ${running.length} bodies, not ${slots}`,
    );
  }

  /** Code was given the value of a call. */
  given(proc: SimulatedProcess, runId: string, key: string, given: unknown): void {
    if (proc.isDead) return;
    const book = this.#books.get(runId);
    // One that has lost the run, and does not know it yet, may be given what its own attempt came to: it records nothing.
    if (book?.owner?.startsWith(`${proc.name}/`) !== true) return;
    // Code may be given what is queued and not yet in the log; what never comes there was never given to anybody else.
    const recorded = book.calls.get(key)?.value;
    if (recorded === undefined || recorded === null) return;
    const value = JSON.stringify(encodePayload(given));
    this.#expect(
      "value-as-recorded",
      recorded === value,
      () => `step ${key} of run ${runId}: ${value}, not ${recorded}`,
    );
  }

  /** Code asked for a call. */
  asked(proc: SimulatedProcess, runId: string, key: string): void {
    if (!proc.isDead) this.#asked.set(`${proc.name} ${runId}`, key);
  }

  /** The key that the code of a run asked for last in this process. */
  lastAsked(proc: SimulatedProcess, runId: string): string {
    return this.#asked.get(`${proc.name} ${runId}`) ?? "";
  }

  /** A process has read a run, and replays it. */
  loaded(proc: SimulatedProcess, runId: string): void {
    this.#asked.delete(`${proc.name} ${runId}`);
  }
}
