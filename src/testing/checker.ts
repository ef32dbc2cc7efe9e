/**
 * Holds the engine to its promises, at every call that reaches the log and at every body that begins. It believes nothing
 * that the engine says of itself: it reads the log and keeps books of its own.
 *
 * I1 Each predicate counts how often it was looked at: one that never was has shown nothing.
 * I2 It reads the log within the task of the effect, so that nothing comes between.
 */
import type { EventRow } from "../kernel/events.ts";
import type { LogStore } from "../log/port.ts";
import type { ClaimRequest, ClaimVerdict, HeldRun } from "../log/port-claims.ts";
import type { DecidedDelivery, DeliveryVerdict } from "../log/port-deliveries.ts";
import type { InboxMessage } from "../log/port-inbox.ts";
import type { KeyedPut, KeyedVerdict, Operation } from "../log/port-keyed.ts";
import type { LockRequest, LockVerdict } from "../log/port-locks.ts";
import type { MessageDispatch, NewMessage, PublishVerdict, WaitRequest, WaitVerdict } from "../log/port-messages.ts";
import type { NoticeRow } from "../log/port-outgoing.ts";
import type { NewSchedule, ScheduleChange } from "../log/port-schedules.ts";
import type { Heartbeat } from "../log/port-workers.ts";
import type { ChildStart, LogWrite, RunAppend, WriteVerdict } from "../log/port-write.ts";
import { type Expect, isSame, RunBook, TERMINAL } from "./book.ts";
import { type BodyStart, CodeBook } from "./code-book.ts";
import { DeliveryBook } from "./delivery-book.ts";
import { FamilyBook } from "./family-book.ts";
import { LimitsBook } from "./limits-book.ts";
import { MailBook } from "./mail-book.ts";
import { MessageBook, type MessageCounts } from "./message-book.ts";
import { NoticeBook } from "./notice-book.ts";
import { OwnerBook } from "./owner-book.ts";
import { PoolBook } from "./pool-book.ts";
import { PREDICATES, type PredicateName } from "./predicates.ts";
import type { SimulatedProcess } from "./process.ts";
import { ScheduleBook } from "./schedule-book.ts";
import { SharedBook } from "./shared-book.ts";
import { StartBook } from "./start-book.ts";
import type { Effect } from "./store.ts";

/** A promise that was broken. */
export interface Failure {
  readonly predicate: PredicateName;
  readonly what: string;
}

type Reopening = Parameters<LogStore["reopen"]>[0];

export class Checker {
  readonly failures: Failure[] = [];
  readonly deliveries: DeliveryBook;
  readonly outgoing: NoticeBook;
  readonly #truth: LogStore;
  readonly #clock: { now(): number };
  readonly #looks = new Map<PredicateName, number>();
  readonly #books = new Map<string, RunBook>();
  readonly #shared: SharedBook;
  readonly #schedules: ScheduleBook;
  readonly #messages: MessageBook;
  readonly #limits: LimitsBook;
  readonly #pools: PoolBook;
  readonly #starts: StartBook;
  readonly #mail: MailBook;
  readonly #family: FamilyBook;
  readonly #owners: OwnerBook;
  readonly #code: CodeBook;
  /** By process: how many writes it has under way. */
  readonly #writing = new Map<string, number>();

  constructor(truth: LogStore, clock: { now(): number }) {
    this.#truth = truth;
    this.#clock = clock;
    const expect: Expect = (predicate, holds, what) => this.expect(predicate, holds, what);
    this.deliveries = new DeliveryBook(expect, truth);
    this.outgoing = new NoticeBook(expect, truth, clock);
    this.#shared = new SharedBook(expect, this.#books);
    this.#schedules = new ScheduleBook(expect, (runId) => this.isOver(runId));
    this.#messages = new MessageBook(expect, truth);
    this.#limits = new LimitsBook(expect, this.#books);
    this.#pools = new PoolBook(expect);
    this.#starts = new StartBook(expect, this.#books);
    this.#mail = new MailBook(expect, truth, this.#books);
    this.#family = new FamilyBook(expect, truth, this.#books);
    this.#owners = new OwnerBook(expect, clock, this.#books);
    this.#code = new CodeBook(expect, this.#owners, this.#books);
  }

  get hasFailed(): boolean {
    return this.failures.length > 0;
  }

  /** How often each predicate was looked at. */
  get looks(): Readonly<Record<PredicateName, number>> {
    const names = Object.keys(PREDICATES) as PredicateName[];
    return Object.fromEntries(names.map((name) => [name, this.#looks.get(name) ?? 0])) as Record<PredicateName, number>;
  }

  /** Runs whose end is in the log. */
  get ended(): number {
    let count = 0;
    for (const book of this.#books.values()) if (book.isOver) count++;
    return count;
  }

  /** Whether the run's end is in the log. */
  isOver(runId: string): boolean {
    return this.#books.get(runId)?.isOver === true;
  }

  /** Runs that the log parked because their claims kept ending without a result. */
  get poisoned(): ReadonlySet<string> {
    return this.#owners.poisoned;
  }

  /** Whether the log has ever parked the run so. */
  wasPoisoned(runId: string): boolean {
    return this.#owners.everPoisoned.has(runId);
  }

  /** Whether a run waits, directly or not, for one that was poisoned: for its end, or for the place that it keeps. */
  waitsForPoisoned(runId: string): boolean {
    if (this.poisoned.size === 0) return false;
    const books = [this.#limits, this.#shared];
    // A circle of runs that wait for each other is no excuse.
    const known = new Map<string, boolean>();
    const waits = (id: string): boolean => {
      const answer = known.get(id);
      if (answer !== undefined) return answer;
      known.set(id, false);
      const found = this.#family.awaitedBy(id).some(isHeldUp) || books.some((book) => book.standsBehind(isHeldUp, id));
      known.set(id, found);
      return found;
    };
    const isHeldUp = (id: string) => this.poisoned.has(id) || waits(id);
    return waits(runId);
  }

  /** The event with which a run is over; undefined: it is not. */
  endOf(runId: string): EventRow | undefined {
    return this.isOver(runId) ? this.history(runId).findLast(({ type }) => TERMINAL.has(type)) : undefined;
  }

  /** The ids of runs that the log has. */
  get runIds(): readonly string[] {
    return [...this.#books.keys()];
  }

  /** Looks at a promise. `what` is asked for only if it is broken. */
  expect(predicate: PredicateName, holds: boolean, what: () => string): void {
    this.#looks.set(predicate, (this.#looks.get(predicate) ?? 0) + 1);
    if (!holds) this.failures.push({ predicate, what: `${what()}, at ${new Date(this.#clock.now()).toISOString()}` });
  }

  // ---- What reaches the log ----

  happened({ proc, site, args, result }: Effect): void {
    if (site === "append") this.#check(this.#appended(args[0] as LogWrite, result as WriteVerdict));
    else if (site === "claim") this.#claimed(args[0] as ClaimRequest, result as ClaimVerdict);
    else if (site === "openWorker") {
      this.#owners.opened(args[0] as string, args[1] as number);
      this.#pools.opened(args[0] as string, (args[3] as readonly string[] | null | undefined) ?? null);
    } else if (site === "heartbeat") this.#owners.renewed(args[0] as string, args[1] as number, result as Heartbeat);
    else if (site === "closeWorker") this.#owners.closed(args[0] as string);
    else if (site === "disown" && (result as number) > 0)
      this.#owners.disowned(args[0] as string, args[2] as readonly HeldRun[]);
    else if (site === "putKeyed") this.#shared.put(args[0] as KeyedPut, result as KeyedVerdict);
    else if (site === "requestLock") this.#shared.requested(args[0] as LockRequest, result as LockVerdict);
    else if (site === "createSchedule") this.#schedules.created(args[0] as NewSchedule);
    else if (site === "changeSchedule" && result === true) this.#check(this.#scheduled(args[0] as ScheduleChange));
    else if (site === "decideDelivery")
      this.#check(this.deliveries.told(args[0] as DeliveryVerdict, result as DecidedDelivery | null));
    else if (site === "publishMessage")
      this.#check(this.#messages.published(args[0] as NewMessage, result as PublishVerdict));
    else if (site === "dispatchMessage") this.#check(this.#dispatched(args[0] as MessageDispatch));
    else if (site === "fireGathering") this.#check(this.#fired(args[0] as { readonly start: ChildStart | null }));
    else if (site === "requestWait") this.#waited((args[0] as WaitRequest).operation, result as WaitVerdict);
    else if (site === "giveMessage" || site === "expireWait") this.#waited(args[0] as Operation, result as WaitVerdict);
    else if (site === "holdEndpoint")
      this.#check(this.outgoing.held(proc.name, args[0] as { readonly endpoint: string; readonly holder: string }));
    else if (site === "pendingNotices")
      this.outgoing.told(proc.name, args[0] as string, result as readonly NoticeRow[]);
    else if (site === "planNotices" || site === "settleNotices")
      this.#check(
        this.outgoing.wrote(
          (args[0] as { readonly endpoint: string }).endpoint,
          site === "planNotices" ? "plan" : "settle",
        ),
      );
    else if (site === "retryNotices") this.#check(this.outgoing.wrote(args[0] as string, "retry"));
    else if (site === "enableEndpoint") this.#check(this.outgoing.wrote(args[0] as string, "enable"));
    else if (site === "reopen") this.#check(this.#reopened(args[0] as Reopening, result as boolean));
    else if (site === "load") this.#loaded(proc, result as ReadonlyMap<string, readonly EventRow[]>);
    const isSlotMoved = site === "append" || site === "claim" || site === "requestLock";
    if (isSlotMoved && this.poisoned.size > 0) this.#check(this.#seeSlots());
  }

  /** Who waits for a slot of one that is poisoned is excused. */
  async #seeSlots(): Promise<void> {
    this.#shared.see(await this.#truth.listLocks({ name: null, limit: 1_000 }));
  }

  async #scheduled(change: ScheduleChange): Promise<void> {
    for (const { start } of this.#schedules.changed(change)) await this.#childSent(start.runId);
    for (const { runId } of change.tells) await this.#mail.look(runId, [], []);
  }

  async #dispatched({ position, starts, cancels }: MessageDispatch): Promise<void> {
    for (const { start } of starts) await this.#childSent(start.start.runId);
    for (const { mail } of cancels) await this.#mail.look(mail.runId, [], []);
    await this.#messages.dispatched(position);
  }

  async #fired({ start }: { readonly start: ChildStart | null }): Promise<void> {
    if (start !== null) await this.#childSent(start.start.runId);
  }

  #waited({ runId, key, epoch }: Operation, verdict: WaitVerdict): void {
    this.#messages.waited(runId, key, epoch, verdict);
  }

  /** A look that takes microtasks: what it finds wrong, and what goes wrong with it, is a failure. */
  #check(look: Promise<void>): void {
    look.catch((error: unknown) => {
      this.failures.push({ predicate: "log-never-changes", what: `the checker could not read the log: ${error}` });
    });
  }

  async #appended(write: LogWrite, verdict: WriteVerdict): Promise<void> {
    for (const start of write.starts) {
      const { runId } = start;
      const actual = verdict.starts.get(runId);
      this.#starts.started(start, actual);
      await this.deliveries.started(start, actual);
      if (actual === runId && !this.#books.has(runId)) this.#open(runId, start.owner);
      if (actual === runId && start.owner !== null) this.#pools.claimed(start.owner, runId, start.limits?.places ?? []);
    }
    for (const { start } of write.runs.flatMap(({ beyond }) => beyond?.children ?? []))
      await this.#childSent(start.runId);
    // A worker can have two parts of a run in one write: what it lets go of, and what it has claimed since. One is taken.
    const newestFirst = [...write.runs].sort((a, b) => b.epoch - a.epoch);
    const tells: InboxMessage[] = [];
    for (const run of newestFirst) if (await this.#appendedTo(run, verdict)) tells.push(...(run.beyond?.tells ?? []));
    this.#limits.look();
    const accepted = write.messages.filter(({ token }) => verdict.messages.get(token) === "accepted");
    const touched = new Set([...write.runs, ...write.messages, ...tells].map(({ runId }) => runId));
    for (const runId of touched) {
      const taken = write.runs.filter((run) => run.runId === runId && this.#isTaken(run, verdict));
      const sent = [...accepted, ...tells].filter((message) => message.runId === runId);
      await this.#mail.look(runId, taken, sent);
    }
    for (const { runId } of write.runs) await this.#family.look(runId);
  }

  /** What the verdict says, which is looked at by itself. */
  #isTaken({ runId, epoch, firstSeq, events }: RunAppend, verdict: WriteVerdict): boolean {
    const head = verdict.runs.get(runId);
    return head?.epoch === epoch && head.head === firstSeq + events.length - 1;
  }

  /** A child exists with its first event, once its parent's part is taken. */
  async #childSent(runId: string): Promise<void> {
    const [created] = await this.#truth.readHistory(runId, { afterSeq: 0, limit: 1 });
    if (created === undefined || this.#books.has(runId)) return;
    this.#open(runId, null);
    this.#books.get(runId)?.follow(created);
    this.#limits.recorded(created);
  }

  #open(runId: string, owner: string | null): void {
    const expect: Expect = (predicate, holds, what) => this.expect(predicate, holds, what);
    this.#books.set(runId, new RunBook(owner, expect, this.#clock));
  }

  /** Whether the run has new events by it. */
  async #appendedTo(run: RunAppend, verdict: WriteVerdict): Promise<boolean> {
    const { runId, epoch, firstSeq, events } = run;
    const book = this.#books.get(runId);
    const found = await this.#truth.readHistory(runId, { afterSeq: book?.events.length ?? 0, limit: 1_000_000 });
    if (book === undefined) {
      this.expect("append-whole-or-not", found.length === 0, () => `run ${runId} has events and was never started`);
      return false;
    }
    const isSent = found.length === events.length && found.every((row, i) => isSame(row, events[i], firstSeq + i));
    const last = firstSeq + events.length - 1;
    this.expect("append-whole-or-not", found.length === 0 || isSent, () => `a write left a part of run ${runId}`);
    if (found.length > 0)
      this.expect(
        "append-under-current-epoch",
        epoch === book.epoch,
        () => `run ${runId} took events of epoch ${epoch} in epoch ${book.epoch}`,
      );
    for (const row of found) {
      book.follow(row);
      this.#shared.recorded(row);
      this.#limits.recorded(row);
    }
    const isSaid = this.#isTaken(run, verdict);
    const isThere =
      book.events.length === last && isSame(book.events.at(-1), events.at(-1), last) && book.epoch === epoch;
    if (events.length > 0)
      this.expect(
        "verdict-true",
        isSaid === isThere,
        () => `the verdict on run ${runId} up to ${last} says ${isSaid ? "written" : "not written"}`,
      );
    if (found.length > 0 || (events.length === 0 && isSaid)) {
      this.#moved(book, run);
      await this.#checkPlaces(run);
    }
    return found.length > 0;
  }

  async #checkPlaces({ runId, row, events }: RunAppend): Promise<void> {
    const releases = row.kind === "move" && row.release;
    if (this.#shared.hasLines)
      this.#shared.appended({ runId, releases, events }, await this.#truth.listLocks({ name: null, limit: 1_000 }));
  }

  /** One that is sent again changes nothing, and has the same answer. */
  async #reopened({ runId, seq, event }: Reopening, isSaid: boolean): Promise<void> {
    const book = this.#books.get(runId);
    const found = await this.#truth.readHistory(runId, { afterSeq: book?.events.length ?? 0, limit: 1_000_000 });
    if (found.length > 0) this.#messages.forget(runId);
    const isSent = found.length === 1 && isSame(found[0], event, seq);
    this.expect(
      "append-whole-or-not",
      found.length === 0 || isSent,
      () => `a retry left something else in run ${runId}`,
    );
    for (const row of found) {
      const isRaised = row.epoch === (book?.epoch ?? 0) + 1;
      this.expect("claim-raises-epoch", isRaised, () => `a retry of run ${runId} went to epoch ${row.epoch}`);
      if (book !== undefined) book.epoch++;
      book?.follow(row);
      this.#shared.recorded(row);
      this.#limits.recorded(row);
    }
    const isThere = isSame(book?.events[seq - 1], event, seq);
    this.expect("verdict-true", isSaid === isThere, () => `the verdict on the retry of run ${runId} says ${isSaid}`);
  }

  #moved(book: RunBook, { runId, row }: RunAppend): void {
    if (row.kind !== "move" || !row.release) return;
    book.owner = null;
    if (row.status === "paused") this.#mail.rests(runId);
  }

  #claimed(request: ClaimRequest, verdict: ClaimVerdict): void {
    this.#owners.claimed(request, verdict);
    for (const { runId } of verdict.claims) {
      this.#pools.claimed(request.worker, runId, this.#limits.limitsOf(runId));
      this.#check(this.#mail.claimed(runId));
    }
  }

  #loaded(proc: SimulatedProcess, histories: ReadonlyMap<string, readonly EventRow[]>): void {
    for (const [runId, rows] of histories) {
      this.#code.loaded(proc, runId);
      const book = this.#books.get(runId);
      const isKept = rows.every((row) => isSame(book?.events[row.seq - 1], row, row.seq));
      this.expect("log-never-changes", isKept, () => `run ${runId} was read otherwise than it was written`);
    }
  }

  // ---- What processes do ----

  died(proc: SimulatedProcess): void {
    this.#writing.delete(proc.name);
    this.outgoing.died(proc.name);
  }

  /** A process sends a write; returns what tells that it has its answer. */
  writes(proc: SimulatedProcess): () => void {
    const count = (this.#writing.get(proc.name) ?? 0) + 1;
    this.#writing.set(proc.name, count);
    this.expect("one-writer", count === 1, () => `${proc.name} has ${count} writes under way`);
    return () => {
      this.#writing.set(proc.name, (this.#writing.get(proc.name) ?? 1) - 1);
    };
  }

  /** A body begins in a process. Returns what tells that it has ended. */
  bodyStarts(proc: SimulatedProcess, body: BodyStart): () => void {
    return this.#code.bodyStarts(proc, body);
  }

  /** Code was given the value of a call. */
  given(proc: SimulatedProcess, runId: string, key: string, value: unknown): void {
    this.#code.given(proc, runId, key, value);
  }

  /** Code asked for a call. */
  asked(proc: SimulatedProcess, runId: string, key: string): void {
    this.#code.asked(proc, runId, key);
  }

  /** The key that the code of a run asked for last in this process. */
  lastAsked(proc: SimulatedProcess, runId: string): string {
    return this.#code.lastAsked(proc, runId);
  }

  // ---- What callers were told ----

  /** A caller was told that its start is durable. */
  startAcknowledged(runId: string): void {
    this.#starts.acknowledged(runId);
  }

  /** A caller was told that its cancel is durable. */
  cancelAcknowledged(runId: string): Promise<void> {
    return this.#mail.cancelAcknowledged(runId);
  }

  /** A caller was told that its signal is durable. */
  signalAcknowledged(runId: string, token: string): Promise<void> {
    return this.#mail.signalAcknowledged(runId, token);
  }

  // ---- The end ----

  /** Reads the whole log again. Call it when nothing is under way any more. */
  async finish(): Promise<void> {
    let position = 0;
    let count = 0;
    for (;;) {
      const rows = await this.#truth.readLog({ afterPosition: position, limit: 1_000 });
      for (const row of rows) {
        const known = this.#books.get(row.runId)?.events[row.seq - 1];
        this.expect("log-never-changes", isSame(known, row, row.seq), () => `seq ${row.seq} of run ${row.runId}`);
        count++;
      }
      if (rows.length < 1_000) break;
      position = rows.at(-1)?.position ?? 0;
    }
    const written = [...this.#books.values()].reduce((sum, { events }) => sum + events.length, 0);
    this.expect("log-never-changes", count === written, () => `${written} events were written, ${count} are there`);
    this.#starts.finish();
    await this.#mail.finish();
    await this.outgoing.finish();
    this.#shared.finish(await this.#truth.listLocks({ name: null, limit: 1_000 }));
    for (const runId of this.#limits.runIds)
      this.#limits.finish(runId, await this.#truth.listPlaces({ runId, limit: 100 }));
    for (const [runId, book] of this.#books) {
      this.#family.finish(runId, book);
      await this.#checkRow(runId, book);
    }
  }

  async #checkRow(runId: string, book: RunBook): Promise<void> {
    const row = await this.#truth.getRun(runId);
    const end = this.endOf(runId);
    const status = end === undefined ? null : end.type.slice("run.".length);
    const isRight =
      row?.head === book.events.length && row.epoch === book.epoch && (status ?? row.status) === row.status;
    this.expect("row-follows-history", isRight, () => `the row of run ${runId} is ${JSON.stringify(row)}`);
    const owner = row?.owner ?? null;
    this.expect(
      "no-dead-owner",
      owner === null || this.#owners.isAlive(owner),
      () => `run ${runId} belongs to ${owner}`,
    );
    const isOpen = row?.status === "waiting" || row?.status === "pending";
    const hasMail = isOpen && (await this.#truth.readInbox([runId])).length > 0;
    this.expect("no-park-with-mail", row?.status !== "waiting" || !hasMail, () => `run ${runId} waits and has mail`);
    // Mail wakes what is parked as poison, and whoever claims it next parks it again.
    const isParked = row?.status === "stuck" || (row?.status === "pending" && hasMail);
    const isPoisoned = (isParked && this.poisoned.has(runId)) || this.waitsForPoisoned(runId);
    this.expect(
      "liveness",
      row !== null && (isSettled(row) || isPoisoned),
      () => `run ${runId} is ${row?.status} for ever`,
    );
  }

  /** Each instant of schedules up to `until` must be decided by now. */
  decidesAll(until: number): void {
    this.#schedules.decidesAll(until);
  }

  /** By schedule: what became of its instants. */
  get instants(): ScheduleBook["counts"] {
    return this.#schedules.counts;
  }

  /** How many messages were published, and what became of them. */
  messageCounts(): Promise<MessageCounts> {
    return this.#messages.counts();
  }

  /** What the log says of the calls of a run, by their keys, as far as it counts after retries. */
  calls(runId: string): RunBook["calls"] {
    return this.#books.get(runId)?.calls ?? new Map();
  }

  history(runId: string): readonly EventRow[] {
    return this.#books.get(runId)?.events ?? [];
  }
}

function isSettled({ status, availableAt }: { readonly status: string; readonly availableAt: number | null }): boolean {
  return ["completed", "failed", "cancelled"].includes(status) || (status === "waiting" && availableAt !== null);
}
