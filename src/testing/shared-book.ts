/**
 * What the checker knows of what runs share: who stands in line for which lock, and who has changed which value. It judges
 * each request and each change by those before it, and what the histories say by both.
 */
import type { EventRow } from "../kernel/events.ts";
import { scopeOfKey } from "../kernel/keys.ts";
import type { KeyedPut, KeyedVerdict, Operation } from "../log/port-keyed.ts";
import type { LockRequest, LockRow, LockVerdict } from "../log/port-locks.ts";
import type { AppendedEvent } from "../log/port-write.ts";
import type { Expect, RunBook } from "./book.ts";

/** A place in line that has not ended. */
interface Place {
  readonly runId: string;
  readonly key: string;
  readonly slots: number;
}

/** What a write says of one run's places in line. */
interface Leaving {
  readonly runId: string;
  /** Whether the run leaves its worker's hands, so that nothing it has asked for is on its way. */
  readonly releases: boolean;
  readonly events: readonly AppendedEvent[];
}

/** What a call does beside its attempts, or before one, has a key of its own. */
const BESIDE = /#(?:admit\.|report\.|cache)/;

/** A step's place in the line of its queue: it is asked for before its attempt is in the log, and ends with it. */
const SLOT = /^(.*)@(\d+)$/;

const ENDS_ATTEMPT: ReadonlySet<string> = new Set([
  ...["attempt.failed", "attempt.interrupted", "step.completed", "step.failed"],
]);

const LEAVES_LINE: ReadonlySet<string> = new Set(["lock.released", "lock.expired"]);

type Status = { readonly status: string };

export class SharedBook {
  readonly #expect: Expect;
  readonly #books: ReadonlyMap<string, RunBook>;
  /** By name, in order of arrival. */
  readonly #lines = new Map<string, Place[]>();
  #hasSlots = false;
  /** By run and operation: the value that it has put. */
  readonly #puts = new Map<string, string | null>();
  /** By run and call: the changes of breakers that it has caused, and those that its history has. */
  readonly #caused = new Map<string, string[]>();
  readonly #recorded = new Map<string, string[]>();
  /** Those that its history did not have when the run ended. */
  readonly #overtaken = new Map<string, string[]>();
  readonly #breakers = new Map<string, string>();
  #places: readonly LockRow[] = [];
  /** By run and call: the epoch under which it has entered a line. */
  readonly #entered = new Map<string, number>();

  constructor(expect: Expect, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#books = books;
  }

  /** Whether anybody has asked for a lock or a slot. */
  get hasLines(): boolean {
    return this.#lines.size > 0 || this.#hasSlots;
  }

  /** What the log has in line by now. */
  see(places: readonly LockRow[]): void {
    this.#places = places;
  }

  /** Whether a run waits for a slot that only runs have which keep it for good. */
  standsBehind(keepsIt: (runId: string) => boolean, runId: string): boolean {
    const waits = this.#places.filter(
      (place) => place.runId === runId && place.queue !== null && place.grantedAt === null,
    );
    return waits.some(({ name, slots }) => {
      const kept = this.#places.filter(
        (place) => place.name === name && place.grantedAt !== null && keepsIt(place.runId),
      );
      return kept.length >= slots;
    });
  }

  // ---- What reaches the log ----

  requested({ name, slots, queue, operation }: LockRequest, verdict: LockVerdict): void {
    if (verdict === "lost") return;
    const { runId, key } = operation;
    // An attempt has its slot before it is in the log. Who has one is judged as its body begins.
    if (queue !== undefined) {
      this.#hasSlots = true;
      this.#checkOwned(operation, `the request for a slot of ${name}`);
      return;
    }
    this.#checkHeld(operation, `the request for lock ${name}`);
    this.#entered.set(`${runId} ${key}`, operation.epoch);
    const line = this.#lines.get(name) ?? [];
    this.#lines.set(name, line);
    if (line.some((place) => place.runId === runId && place.key === key)) return;
    // Its history may say by now that it has left the line.
    if (this.#wants(runId, key)) line.push({ runId, key, slots });
  }

  put({ scope, key, value, operation }: KeyedPut, verdict: KeyedVerdict): void {
    if (verdict.kind !== "put") return;
    if (scope === "breaker") this.#breakerPut(key, value, operation);
    if (operation === null) return;
    const place = `${operation.runId} ${operation.key}`;
    this.#checkHeld(operation, `the change of ${scope} ${key}`);
    this.#expect("change-once", !this.#puts.has(place), () => `call ${place} changes ${scope} ${key} again`);
    this.#puts.set(place, value);
  }

  #breakerPut(name: string, value: string | null, operation: Operation | null): void {
    const from = this.#breakers.get(name) ?? "closed";
    const to = value === null ? "closed" : (JSON.parse(value) as { readonly value: Status }).value.status;
    this.#breakers.set(name, to);
    if (from === to || operation === null) return;
    const [call] = operation.key.split(BESIDE);
    append(this.#caused, `${operation.runId} ${call}`, `${name}: ${from} to ${to}`);
  }

  /** What is done in the name of a run is done under its epoch, after what it says of itself. */
  #checkHeld(operation: Operation, what: string): void {
    this.#checkOwned(operation, what);
    const { runId, key } = operation;
    if (BESIDE.test(key)) return;
    const call = this.#books.get(runId)?.calls.get(key);
    const isSaid = call !== undefined && call.firstSeq !== Number.POSITIVE_INFINITY;
    this.#expect("change-after-record", isSaid, () => `${what} by call ${key} of run ${runId} is not in the log`);
  }

  #checkOwned({ runId, epoch }: Operation, what: string): void {
    const book = this.#books.get(runId);
    const isHeld = book !== undefined && book.epoch === epoch && !book.isOver;
    this.#expect(
      "shared-under-epoch",
      isHeld,
      () => `${what} by run ${runId} in epoch ${epoch}, not ${book?.epoch ?? "any"}`,
    );
  }

  // ---- What histories say ----

  /** An event is in the log. */
  recorded({ runId, type, key, data }: EventRow): void {
    const fields = JSON.parse(data ?? "{}") as Record<string, unknown>;
    if (type === "lock.acquired") this.#acquired(runId, key as string);
    if (type === "lock.released" || type === "lock.expired") this.#left(runId, key as string);
    if (/^run\.(completed|failed|cancelled)$/.test(type)) this.#left(runId, null);
    if (type === "breaker.changed")
      append(this.#recorded, `${runId} ${key}`, `${fields["name"]}: ${fields["from"]} to ${fields["to"]}`);
    if (type === "run.reopened") this.#reopened(runId);
    if (type === "kv.answered") this.#answered(runId, key as string, data);
  }

  #reopened(runId: string): void {
    const isOf = (place: string) => place.startsWith(`${runId} `);
    // What is made again is done again.
    for (const place of this.#puts.keys()) if (isOf(place)) this.#puts.delete(place);
    for (const [place, caused] of this.#caused)
      if (isOf(place)) this.#overtaken.set(place, without(caused, this.#recorded.get(place) ?? []));
  }

  /**
   * A write is done. `places`: all that the log has in line for locks. What a request that was on its way leaves behind when
   * its process dies ends with its run.
   */
  appended({ runId, releases, events }: Leaving, places: readonly LockRow[]): void {
    const left = new Set(events.filter(({ type }) => LEAVES_LINE.has(type)).map(({ key }) => key));
    const isCancelled = events.some(({ type }) => type === "cancel.requested");
    for (const { key, name, queue } of places.filter((place) => place.runId === runId)) {
      const book = this.#books.get(runId);
      // A slot is left whoever has asked for it.
      const isOwn = queue !== null || this.#entered.get(`${runId} ${key}`) === book?.epoch;
      const isWanted = this.#wants(runId, key);
      const isWaiting = isWanted && book?.calls.get(key)?.outcome === null;
      const isReached = isCancelled && isWaiting && !book.isShielded(scopeOfKey(key));
      const isLeft = left.has(key) || isReached || (releases && isOwn && !isWanted);
      this.#expect("no-place-left-behind", !isLeft, () => `${name} has a place for ${runId} ${key}, which has left`);
    }
  }

  #acquired(runId: string, key: string): void {
    const [line, place] = this.#placeOf(runId, key);
    const before = place === undefined ? -1 : line.indexOf(place);
    this.#expect(
      "lock-by-turn",
      place !== undefined && before < place.slots,
      () => `call ${key} of run ${runId} has its lock as number ${before + 1} in line`,
    );
  }

  #placeOf(runId: string, key: string): [line: readonly Place[], place: Place | undefined] {
    for (const line of this.#lines.values()) {
      const place = line.find((each) => each.runId === runId && each.key === key);
      if (place !== undefined) return [line, place];
    }
    return [[], undefined];
  }

  /** @param key null: with all that it has */
  #left(runId: string, key: string | null): void {
    for (const [name, line] of this.#lines) {
      const rest = line.filter((each) => each.runId !== runId || (key !== null && each.key !== key));
      if (rest.length < line.length) this.#lines.set(name, rest);
    }
  }

  /** What a call has put is what its run is told. */
  #answered(runId: string, key: string, data: string | null): void {
    const put = this.#puts.get(`${runId} ${key}`);
    if (put === undefined || put === null || !key.includes(".update:")) return;
    this.#expect("change-as-answered", put === data, () => `call ${key} of run ${runId} has put ${put}, not ${data}`);
  }

  /** Whether its history has the call in line for a lock, or the attempt of a slot not at its end. */
  #wants(runId: string, key: string): boolean {
    const book = this.#books.get(runId);
    if (book === undefined || book.isOver || book.isClosed(scopeOfKey(key))) return false;
    const [, step, attempt] = SLOT.exec(key) ?? [];
    if (step !== undefined) return !hasEnded(book, step, Number(attempt));
    const last = book.events.findLast((row) => row.key === key && row.type.startsWith("lock."));
    return last?.type === "lock.requested" || last?.type === "lock.acquired";
  }

  // ---- The end ----

  /** Once nothing is under way any more. `places`: all that the log has in line for locks. */
  finish(places: readonly LockRow[]): void {
    for (const { name, runId, key } of places)
      this.#expect("no-place-left-behind", this.#wants(runId, key), () => `${name} has a place for ${runId} ${key}`);
    for (const call of new Set([...this.#caused.keys(), ...this.#recorded.keys()])) this.#checkChanges(call);
  }

  /** What a cancel, or the end of the run or of a scope, has overtaken is told by nobody. */
  #checkChanges(place: string): void {
    const [runId = "", ...key] = place.split(" ");
    const hasOutcome = (this.#books.get(runId)?.calls.get(key.join(" "))?.outcome ?? null) !== null;
    const caused = this.#caused.get(place) ?? [];
    const recorded = this.#recorded.get(place) ?? [];
    const isTrue = without(recorded, caused).length === 0;
    const untold = without(without(caused, recorded), this.#overtaken.get(place) ?? []);
    const isWhole = !hasOutcome || untold.length === 0;
    this.#expect(
      "breaker-change-recorded",
      isTrue && isWhole,
      () => `call ${place} tells ${recorded}, caused ${caused}`,
    );
  }
}

/** Since the run was last reopened: then its attempts begin anew. */
function hasEnded({ events }: RunBook, step: string, attempt: number): boolean {
  const from = events.findLastIndex(({ type }) => type === "run.reopened");
  const isLast = (row: EventRow) => row.type.startsWith("step.") || (row.attempt ?? attempt) >= attempt;
  const ends = (row: EventRow) => row.key === step && ENDS_ATTEMPT.has(row.type) && isLast(row);
  return events.slice(from + 1).some(ends);
}

/** What is left of a list when each item of another one is taken out of it, once for each time that it is there. */
function without(list: readonly string[], taken: readonly string[]): string[] {
  const left = [...list];
  for (const item of taken) {
    const at = left.indexOf(item);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
}

function append(lists: Map<string, string[]>, id: string, item: string): void {
  const list = lists.get(id) ?? [];
  list.push(item);
  lists.set(id, list);
}
