/**
 * Holds the engine to its promises, at every call that reaches the log and at every body that begins. It believes nothing
 * that the engine says of itself: it reads the log and keeps books of its own.
 *
 * I1 Each predicate counts how often it was looked at: one that never was has shown nothing.
 * I2 It reads the log within the task of the effect, so that nothing comes between.
 */
import { encodePayload } from "../kernel/codec.ts";
import type { EventRow, ParentLink } from "../kernel/events.ts";
import { ROOT_SCOPE, scopeOfKey } from "../kernel/keys.ts";
import type {
  ChildStart,
  ClaimRequest,
  ClaimVerdict,
  DecidedDelivery,
  DeliveryVerdict,
  Heartbeat,
  HeldRun,
  InboxMessage,
  KeyedPut,
  KeyedVerdict,
  LockRequest,
  LockVerdict,
  LogStore,
  LogWrite,
  MessageDispatch,
  NewSchedule,
  Operation,
  RunAppend,
  ScheduleChange,
  WaitRequest,
  WriteVerdict,
} from "../log/port.ts";
import type { NewMessage, PublishVerdict, WaitVerdict } from "../log/port-messages.ts";
import type { NoticeRow } from "../log/port-outgoing.ts";
import { type Expect, isSame, RunBook, TERMINAL } from "./book.ts";
import { DeliveryBook } from "./delivery-book.ts";
import { LimitsBook } from "./limits-book.ts";
import { MessageBook } from "./message-book.ts";
import { NoticeBook } from "./notice-book.ts";
import { PREDICATES, type PredicateName } from "./predicates.ts";
import type { SimulatedProcess } from "./process.ts";
import { ScheduleBook } from "./schedule-book.ts";
import { SharedBook } from "./shared-book.ts";
import type { Effect } from "./store.ts";

/** A promise that was broken. */
export interface Failure {
  readonly predicate: PredicateName;
  readonly what: string;
}

type Reopening = Parameters<LogStore["reopen"]>[0];

/** A body that runs. */
interface LiveBody {
  readonly runId: string;
  readonly line: BodyStart["line"] | null;
  readonly proc: SimulatedProcess;
  readonly epoch: number;
  readonly attempt: number;
  readonly signal: { readonly aborted: boolean } | null;
}

/** A body as it begins: what its step says of itself. */
export interface BodyStart {
  readonly runId: string;
  readonly key: string;
  readonly attempt: number;
  /** The most attempts that its options allow. */
  readonly attemptsMax?: number;
  readonly signal?: { readonly aborted: boolean };
  /** The queue in which its attempt has stood. */
  readonly line?: { readonly name: string; readonly slots: number };
}

export class Checker {
  readonly failures: Failure[] = [];
  /** Runs that the log parked because their claims kept ending without a result. */
  readonly poisoned = new Set<string>();
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
  /** By worker: when its lease ends. */
  readonly #leases = new Map<string, number>();
  /** By run and key. */
  readonly #bodies = new Map<string, LiveBody>();
  readonly #writing = new Map<string, number>();
  readonly #starts = new Map<string, string>();
  readonly #deliveries = new Map<string, string>();
  readonly #acknowledged = new Set<string>();
  readonly #cancels = new Set<string>();
  /** By run: the tokens of signals. */
  readonly #signals = new Map<string, Set<string>>();
  /** Runs that have left their last owner's hands in a pause. */
  readonly #resting = new Set<string>();
  /** Children whose end is in their parents' histories. */
  readonly #told = new Set<string>();
  /** Children whose end nobody waits for any more. */
  readonly #left = new Set<string>();
  /** By run: the ids of its mail. */
  readonly #mail = new Map<string, readonly number[]>();
  /** What each process has asked for in its present replay of a run. */
  readonly #asked = new Map<string, string[]>();

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

  #isUnderWay(runId: string): boolean {
    return this.#books.get(runId)?.isOver === false;
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
    else if (site === "openWorker") this.#leases.set(args[0] as string, this.#now + (args[1] as number));
    else if (site === "heartbeat") this.#renewed(args[0] as string, args[1] as number, result as Heartbeat);
    else if (site === "closeWorker") {
      const worker = args[0] as string;
      this.#leases.set(worker, Math.min(this.#leases.get(worker) ?? 0, this.#now));
    } else if (site === "disown" && (result as number) > 0)
      this.#disowned(args[0] as string, args[2] as readonly HeldRun[]);
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
  }

  async #scheduled(change: ScheduleChange): Promise<void> {
    for (const { start } of this.#schedules.changed(change)) await this.#childSent(start.runId);
    for (const { runId } of change.tells) await this.#checkMail(runId, [], []);
  }

  async #dispatched({ position, starts, cancels }: MessageDispatch): Promise<void> {
    for (const { start } of starts) await this.#childSent(start.start.runId);
    for (const { mail } of cancels) await this.#checkMail(mail.runId, [], []);
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
      const { runId, workflow, idempotencyKey, delivery } = start;
      const actual = verdict.starts.get(runId);
      if (idempotencyKey !== null) this.#startedOnce(`${workflow} ${idempotencyKey}`, actual);
      if (delivery !== null) this.#deliveredOnce(`${delivery.hook} ${delivery.deliveryId} ${delivery.replay}`, actual);
      await this.deliveries.started(start, actual);
      if (actual === runId && !this.#books.has(runId)) this.#open(runId, start.owner);
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
      await this.#checkMail(runId, taken, sent);
    }
    for (const { runId } of write.runs) {
      this.#checkEnds(runId);
      await this.#checkLeft(runId);
    }
  }

  /** A parent is told of its child's end by the write that ends the child, and so never before. */
  #checkEnds(runId: string): void {
    for (const [childId, { end }] of this.#books.get(runId)?.children ?? []) {
      if (end === null || this.#told.has(childId)) continue;
      this.#told.add(childId);
      const type = `run.${end.type.slice("child.".length)}`;
      const hasEnded = this.#books.get(childId)?.events.some((event) => event.type === type) === true;
      this.expect(
        "child-and-parent-agree",
        hasEnded,
        () => `run ${runId} has ${end.type} of ${childId} before its end`,
      );
    }
  }

  /** What has ended in a run tells the children within that nobody waits for them any more. */
  async #checkLeft(runId: string): Promise<void> {
    const book = this.#books.get(runId);
    for (const [childId, { key, end }] of book?.children ?? []) {
      if (book === undefined || end !== null || this.#left.has(childId) || !isLeft(book, key)) continue;
      this.#left.add(childId);
      const mail = await this.#truth.readInbox([childId]);
      const isTold = mail.some(({ kind, token }) => kind === "cancel" && token.startsWith(`${runId}/`));
      const child = this.#books.get(childId);
      const isEnding = child?.isOver === true || child?.events.some(({ type }) => type === "cancel.requested") === true;
      const isRight = isAbandoned(book, childId) ? !isTold : isTold || isEnding;
      this.expect(
        "left-child-told",
        isRight,
        () => `child ${childId} of run ${runId} is left${isTold ? "" : " untold"}`,
      );
    }
  }

  /** What the verdict says, which is looked at by itself. */
  #isTaken({ runId, epoch, firstSeq, events }: RunAppend, verdict: WriteVerdict): boolean {
    const head = verdict.runs.get(runId);
    return head?.epoch === epoch && head.head === firstSeq + events.length - 1;
  }

  /** Whatever a write does, mail is kept until its run drains it or ends, and a run does not wait beside it. */
  async #checkMail(runId: string, taken: readonly RunAppend[], sent: readonly InboxMessage[]): Promise<void> {
    const mail = await this.#truth.readInbox([runId]);
    for (const { kind, token } of sent) {
      // One that was there already may have been taken out by the same write.
      const isTaken = taken.some(({ drained }) => drained.length > 0);
      const isThere = isTaken || !this.#isUnderWay(runId) || mail.some((row) => row.token === token);
      this.expect("message-kept", isThere, () => `${kind} ${token} was sent to run ${runId} and did not arrive`);
    }
    const drained = new Set(taken.flatMap((run) => run.drained));
    const isKept = (id: number) => drained.has(id) || this.isOver(runId) || mail.some((row) => row.id === id);
    const fenced = (this.#mail.get(runId) ?? []).every(isKept);
    this.expect("mail-fenced", fenced, () => `mail of run ${runId} went with a write that was not taken`);
    this.#mail.set(
      runId,
      mail.map(({ id }) => id),
    );
    const tokens = new Set(mail.map(({ token }) => token));
    this.expect("message-once", tokens.size === mail.length, () => `run ${runId} has a message twice`);
    if (this.#cancels.has(runId)) await this.#checkCancel(runId);
    if (this.#signals.has(runId)) await this.#checkSignals(runId);
    if (mail.length === 0) return;
    const row = await this.#truth.getRun(runId);
    this.expect("no-park-with-mail", row?.status !== "waiting", () => `run ${runId} waits and has mail`);
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
    if (row.status === "paused") this.#resting.add(runId);
  }

  // ---- Owners ----

  /** The log's clock counts whole milliseconds. */
  get #now(): number {
    return Math.floor(this.#clock.now());
  }

  #isAlive(worker: string): boolean {
    return (this.#leases.get(worker) ?? 0) > this.#now;
  }

  #claimed({ worker }: ClaimRequest, { claims, poisoned }: ClaimVerdict): void {
    for (const runId of poisoned) {
      const book = this.#books.get(runId);
      if (book === undefined) continue;
      book.owner = null;
      book.epoch++;
      this.poisoned.add(runId);
    }
    if (claims.length > 0)
      this.expect("claim-under-lease", this.#isAlive(worker), () => `${worker} claimed after its lease`);
    for (const { runId, epoch } of claims) {
      const book = this.#books.get(runId);
      const owner = book?.owner ?? null;
      this.expect(
        "one-owner",
        owner === null || !this.#isAlive(owner),
        () => `run ${runId} was claimed by ${worker} while ${owner} held it`,
      );
      this.expect(
        "claim-raises-epoch",
        epoch === (book?.epoch ?? 0) + 1,
        () => `a claim of run ${runId} went from epoch ${book?.epoch} to ${epoch}`,
      );
      if (book === undefined) continue;
      if (this.#resting.delete(runId)) this.#check(this.#checkWoken(runId));
      book.owner = worker;
      book.epoch = epoch;
    }
  }

  async #checkWoken(runId: string): Promise<void> {
    const mail = await this.#truth.readInbox([runId]);
    const isWoken = mail.some(({ kind }) => PAUSE_ENDS.has(kind));
    this.expect("pause-undisturbed", isWoken, () => `run ${runId} rests in a pause and was claimed`);
  }

  #renewed(worker: string, leaseMs: number, { alive }: Heartbeat): void {
    this.expect("lease-by-log-clock", alive === this.#isAlive(worker), () => `the lease of ${worker}`);
    if (alive) this.#leases.set(worker, this.#now + leaseMs);
  }

  #disowned(worker: string, known: readonly HeldRun[]): void {
    for (const [runId, book] of this.#books) {
      if (book.owner !== worker || known.some((held) => held.runId === runId && held.epoch === book.epoch)) continue;
      book.owner = null;
      book.epoch++;
    }
  }

  // ---- Bodies and code ----

  /** A body begins in `process`. Returns what tells that it has ended. */
  bodyStarts(proc: SimulatedProcess, { runId, key, attempt, attemptsMax, signal, line }: BodyStart): () => void {
    // What a dead process does has not happened.
    if (proc.isDead) return () => {};
    const book = this.#books.get(runId);
    const call = book?.calls.get(key);
    const place = () => `attempt ${attempt} of step ${key} of run ${runId} in ${proc.name}`;
    const started = book?.events.findLast((row) => row.type === "attempt.started" && row.key === key);
    this.expect("attempt-before-body", started?.attempt === attempt, () => `${place()} is not in the log`);
    this.expect("no-body-after-outcome", (call?.outcome ?? null) === null, () => `${place()} began after its outcome`);
    this.expect("no-body-after-end", book?.isOver === false, () => `${place()} began after the run's end`);
    const owner = book?.owner ?? "";
    const isHeld = started?.epoch === book?.epoch && this.#isAlive(owner) && owner.startsWith(`${proc.name}/`);
    this.expect("body-under-lease", isHeld, () => `${place()} began while the run was held by ${owner || "nobody"}`);
    const id = `${runId} ${key}`;
    const live = this.#bodies.get(id);
    const isOther = live !== undefined && !live.proc.isDead && live.epoch === book?.epoch && live.attempt === attempt;
    this.expect("one-live-attempt", !isOther, () => `${place()} began while another ran in ${live?.proc.name}`);
    const isLeft = live !== undefined && live.proc === proc && live.signal?.aborted === false;
    this.expect(
      "superseded-body-aborted",
      !isLeft,
      () => `${place()} began and attempt ${live?.attempt} was not aborted`,
    );
    if (attemptsMax !== undefined)
      this.expect(
        "attempts-within-policy",
        attempt - (call?.forgiven ?? 0) <= attemptsMax,
        () => `${place()} is one of ${attemptsMax}`,
      );
    const body: LiveBody = {
      runId,
      line: line ?? null,
      proc,
      epoch: book?.epoch ?? 0,
      attempt,
      signal: signal ?? null,
    };
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
      const isHeld = book?.epoch === epoch && this.#isAlive(book.owner ?? "");
      return line?.name === name && isHeld && !proc.isDead && signal?.aborted !== true;
    });
    this.expect(
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
    this.expect(
      "value-as-recorded",
      recorded === value,
      () => `step ${key} of run ${runId}: ${value}, not ${recorded}`,
    );
  }

  /** Code asked for a call. */
  asked(proc: SimulatedProcess, runId: string, key: string, kind: string): void {
    if (proc.isDead) return;
    const id = `${proc.name} ${runId}`;
    const calls = this.#asked.get(id) ?? [];
    this.#asked.set(id, calls);
    calls.push(`${kind} ${key}`);
  }

  /** The key that the code of a run asked for last in this process. */
  lastAsked(proc: SimulatedProcess, runId: string): string {
    const [, key = ""] = /^\w+ (.*)$/.exec(this.#asked.get(`${proc.name} ${runId}`)?.at(-1) ?? "") ?? [];
    return key;
  }

  #loaded(proc: SimulatedProcess, histories: ReadonlyMap<string, readonly EventRow[]>): void {
    for (const [runId, rows] of histories) {
      this.#asked.delete(`${proc.name} ${runId}`);
      const book = this.#books.get(runId);
      const isKept = rows.every((row) => isSame(book?.events[row.seq - 1], row, row.seq));
      this.expect("log-never-changes", isKept, () => `run ${runId} was read otherwise than it was written`);
    }
  }

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

  // ---- Callers ----

  #startedOnce(key: string, runId: string | undefined): void {
    const known = this.#starts.get(key);
    this.expect("start-once", known === undefined || known === runId, () => `${key} is ${known} and ${runId}`);
    if (runId !== undefined) this.#starts.set(key, runId);
  }

  #deliveredOnce(delivery: string, runId: string | undefined): void {
    const known = this.#deliveries.get(delivery);
    this.expect("delivery-once", known === undefined || known === runId, () => `${delivery} is ${known} and ${runId}`);
    if (runId !== undefined) this.#deliveries.set(delivery, runId);
  }

  /** A caller was told that its start is durable. */
  startAcknowledged(runId: string): void {
    this.#acknowledged.add(runId);
    this.expect("acknowledged-start-kept", this.#books.has(runId), () => `run ${runId} is not in the log`);
  }

  /** A caller was told that its cancel is durable. */
  async cancelAcknowledged(runId: string): Promise<void> {
    this.#cancels.add(runId);
    await this.#checkCancel(runId);
  }

  async #checkCancel(runId: string): Promise<void> {
    const book = this.#books.get(runId);
    // Told to a run that is over: should it go on, it knows nothing of it.
    if (book?.isOver === true) this.#cancels.delete(runId);
    const isRequested = book?.events.some(({ type }) => type === "cancel.requested") === true;
    const isKept = isRequested || book?.isOver === true || (await this.#truth.readInbox([runId])).length > 0;
    this.expect("acknowledged-cancel-kept", isKept, () => `the cancel of run ${runId} is gone`);
  }

  /** A caller was told that its signal is durable. */
  async signalAcknowledged(runId: string, token: string): Promise<void> {
    const keys = this.#signals.get(runId) ?? new Set();
    this.#signals.set(runId, keys.add(token));
    await this.#checkSignals(runId);
  }

  async #checkSignals(runId: string): Promise<void> {
    const book = this.#books.get(runId);
    // Told to a run that is over: should it go on, it knows nothing of them.
    if (book?.isOver === true) {
      this.#signals.delete(runId);
      return;
    }
    const mail = new Set((await this.#truth.readInbox([runId])).map(({ token }) => token));
    for (const token of this.#signals.get(runId) ?? []) {
      const isKept = mail.has(token) || book?.tokens.has(token) === true;
      this.expect("acknowledged-signal-kept", isKept, () => `signal ${token} of run ${runId} is gone`);
    }
  }

  /** Whether a run waits for one that will not end by itself, somewhere below it. */
  waitsForPoisoned(runId: string): boolean {
    const children = [...(this.#books.get(runId)?.children ?? [])].filter(([, { end }]) => end === null);
    return children.some(([id]) => this.poisoned.has(id) || this.waitsForPoisoned(id));
  }

  /** What a parent's history says of its children, and they of it. */
  #checkFamily(runId: string, book: RunBook): void {
    for (const [childId, { key, end }] of book.children) {
      const child = this.#books.get(childId);
      const ended = child?.events.find(({ type }) => TERMINAL.has(type));
      const isSame = end === null || `child.${ended?.type.slice("run.".length)}` === end.type;
      const isThere = child !== undefined && parentOf(child)?.runId === runId && parentOf(child)?.key === key;
      this.expect("child-and-parent-agree", isThere && isSame, () => `child ${childId} of run ${runId}: ${end?.type}`);
    }
    const parent = parentOf(book);
    if (parent === null || parent.detached === true) return;
    const isKnown = this.#books.get(parent.runId)?.children.has(runId) === true;
    this.expect("child-and-parent-agree", isKnown, () => `run ${parent.runId} does not know of its child ${runId}`);
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
    for (const runId of this.#acknowledged)
      this.expect("acknowledged-start-kept", this.#books.has(runId), () => `run ${runId} is not in the log`);
    for (const runId of this.#cancels) await this.#checkCancel(runId);
    for (const runId of this.#signals.keys()) await this.#checkSignals(runId);
    await this.outgoing.finish();
    this.#shared.finish(await this.#truth.listLocks({ name: null, limit: 1_000 }));
    for (const runId of this.#limits.runIds)
      this.#limits.finish(runId, await this.#truth.listPlaces({ runId, limit: 100 }));
    for (const [runId, book] of this.#books) {
      this.#checkFamily(runId, book);
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
    this.expect("no-dead-owner", owner === null || this.#isAlive(owner), () => `run ${runId} belongs to ${owner}`);
    const mail = row?.status === "waiting" ? await this.#truth.readInbox([runId]) : [];
    this.expect("no-park-with-mail", mail.length === 0, () => `run ${runId} waits and has mail`);
    const isPoisoned = (row?.status === "stuck" && this.poisoned.has(runId)) || this.waitsForPoisoned(runId);
    this.expect(
      "liveness",
      row !== null && (isSettled(row) || isPoisoned),
      () => `run ${runId} is ${row?.status} for ever`,
    );
  }

  /** What each process asked for when it replayed this run last. */
  askedOf(runId: string): readonly (readonly string[])[] {
    return [...this.#asked].filter(([id]) => id.endsWith(` ${runId}`)).map(([, calls]) => calls);
  }

  /** What the log says of the calls of a run, by their keys, as far as it counts after retries. */
  calls(runId: string): RunBook["calls"] {
    return this.#books.get(runId)?.calls ?? new Map();
  }

  history(runId: string): readonly EventRow[] {
    return this.#books.get(runId)?.events ?? [];
  }
}

/** Whether nobody waits any more for what the call under `key` comes to. */
function isLeft({ isOver, calls }: RunBook, key: string): boolean {
  for (let scope = scopeOfKey(key); scope !== ROOT_SCOPE; scope = scopeOfKey(scope))
    if ((calls.get(scope)?.outcome ?? null) !== null) return true;
  return isOver;
}

/** Whether a child goes on when nobody waits for it any more. */
function isAbandoned({ events }: RunBook, childId: string): boolean {
  const data = events.map((event) => (event.type === "child.started" ? event.data : null));
  return data.some((text) => text?.includes(childId) === true && text.includes('"abandoned":true'));
}

/** What ends a pause. */
const PAUSE_ENDS: ReadonlySet<string> = new Set(["resume", "cancel", "terminate"]);

function parentOf({ events: [created] }: RunBook): ParentLink | null {
  return (JSON.parse(created?.data ?? "{}") as { readonly parent?: ParentLink }).parent ?? null;
}

function isSettled({ status, availableAt }: { readonly status: string; readonly availableAt: number | null }): boolean {
  return ["completed", "failed", "cancelled"].includes(status) || (status === "waiting" && availableAt !== null);
}
