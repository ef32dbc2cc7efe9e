/**
 * The log's reference: the storage port in plain maps. It forgets everything with its process.
 *
 * Owns: the rows of runs, and API keys. Each other subject has a file beside it, `memory-<subject>.ts`, with its rows and what is done with
 * them; what becomes of a run's row is in `memory-rows.ts`. Called by tests and by `varve/testing`. It does in the same order
 * what the batch of `libsql/append.ts` does, so the contract suite and the simulator can hold one against the other.
 */
import { assert } from "../kernel/assert.ts";
import type { EventRow } from "../kernel/events.ts";
import type { Clock } from "../kernel/ports.ts";
import { queueOfLine } from "../kernel/queues.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import { MemoryBuckets } from "./memory-buckets.ts";
import { MemoryClaims } from "./memory-claims.ts";
import { MemoryDeliveries } from "./memory-deliveries.ts";
import { lastEvents, MemoryEvents, withoutCompletedScopes } from "./memory-events.ts";
import { MemoryInbox } from "./memory-inbox.ts";
import { MemoryKeyed } from "./memory-keyed.ts";
import { MemoryLines } from "./memory-lines.ts";
import { pageOf, windowOver } from "./memory-lists.ts";
import { type EndingPlaces, MemoryLocks } from "./memory-locks.ts";
import { MemoryMessages } from "./memory-messages.ts";
import { MemoryOutgoing } from "./memory-outgoing.ts";
import { MemoryPlaces } from "./memory-places.ts";
import { endsSharing, goesOn, isEnd, isWoken, type Mutable, moveRow, newRow, tryAgain, wake } from "./memory-rows.ts";
import { MemorySchedules } from "./memory-schedules.ts";
import { MemoryWorkers } from "./memory-workers.ts";
import type { LogStore, Stray } from "./port.ts";
import type { ApiKeyRow } from "./port-api-keys.ts";
import type { Claim } from "./port-claims.ts";
import { type DecidedDelivery, type DeliveryId, type DeliveryVerdict, UNTOLD } from "./port-deliveries.ts";
import { INBOX_ROWS_MAX, type InboxMessage, type InboxRow, type MessageVerdict, WAKES_PAUSED } from "./port-inbox.ts";
import type { KeyedPut, KeyedValue, KeyedVerdict, Operation } from "./port-keyed.ts";
import type { RunFilter, RunWindow } from "./port-lists.ts";
import type { LockRequest, LockRow, LockVerdict } from "./port-locks.ts";
import type { Outlook, OutlookRequest } from "./port-outlook.ts";
import type { LineSetting, PlaceFilter, PlaceRow } from "./port-places.ts";
import type { RunRow } from "./port-runs.ts";
import type {
  FiringFilter,
  FiringLane,
  FiringPage,
  FiringRow,
  NewSchedule,
  ScheduleChange,
  ScheduleRow,
  SchedulesAhead,
  ScheduleView,
} from "./port-schedules.ts";
import type { Heartbeat, WorkerRow } from "./port-workers.ts";
import type { ChildStart, LogWrite, Reopening, RunAppend, RunHead, RunStart, WriteVerdict } from "./port-write.ts";

/** A log in memory, on `clock`. */
export function memoryStore(clock: Pick<Clock, "now">): LogStore {
  return new MemoryStore(clock);
}

class MemoryStore implements LogStore {
  readonly exclusive = false;
  readonly localClock = true;
  readonly #clock: Pick<Clock, "now">;
  readonly #events = new MemoryEvents();
  readonly #runs = new Map<string, Mutable<RunRow>>();
  readonly #workers = new MemoryWorkers(() => this.#now);
  readonly #inbox = new MemoryInbox();
  readonly #claims = new MemoryClaims({
    now: () => this.#now,
    runs: this.#runs,
    workers: this.#workers,
    hasMail: (runId) => this.#inbox.of(runId).length > 0,
    arrive: () => this.#lines.arrive(),
  });
  readonly #deliveries = new MemoryDeliveries();
  readonly #apiKeys = new Map<string, ApiKeyRow>();
  readonly #keyed = new MemoryKeyed();
  readonly #outgoing = new MemoryOutgoing();
  readonly #locks = new MemoryLocks((line) => this.#places.setting(line));
  readonly #schedules = new MemorySchedules(
    {
      start: (child) => {
        this.#insertChild(child);
        return this.#existing(child.start) as string;
      },
      tell: (message) => this.#insertMessage(message, Number.POSITIVE_INFINITY),
    },
    (runId) => this.#runs.get(runId)?.status ?? null,
  );
  readonly #buckets = new MemoryBuckets();
  readonly #places = new MemoryPlaces((runId) => this.#lines.admitted(runId));
  readonly #lines = new MemoryLines({
    now: () => this.#now,
    runs: this.#runs,
    places: this.#places,
    inbox: this.#inbox,
    workers: this.#workers,
  });
  readonly #messages = new MemoryMessages({
    now: () => this.#now,
    events: this.#events.log,
    getRun: (runId) => this.#runs.get(runId),
    liveRuns: () => [...this.#runs.values()].filter(({ status }) => !isTerminalStatus(status)),
    firstEvent: (runId) => this.#events.history(runId)[0],
    isHeld: (operation) => this.#isHeld(operation),
    start: (start) => {
      this.#insertChild(start);
      return this.#existing(start.start) as string;
    },
    tell: (message) => this.#insertMessage(message, Number.POSITIVE_INFINITY),
  });

  readonly publishMessage: LogStore["publishMessage"] = (message) => this.#messages.publishMessage(message);
  readonly putSubscriptions: LogStore["putSubscriptions"] = (workflows, rows) =>
    this.#messages.putSubscriptions(workflows, rows);
  readonly dispatchAhead: LogStore["dispatchAhead"] = (page) => this.#messages.dispatchAhead(page);
  readonly listWaits: LogStore["listWaits"] = (position, page) => this.#messages.listWaits(position, page);
  readonly readCreated: LogStore["readCreated"] = (runIds) => this.#messages.readCreated(runIds);
  readonly dispatchMessage: LogStore["dispatchMessage"] = (dispatch) => this.#messages.dispatchMessage(dispatch);
  readonly readGathered: LogStore["readGathered"] = (id, limit) => this.#messages.readGathered(id, limit);
  readonly fireGathering: LogStore["fireGathering"] = (fire) => this.#messages.fireGathering(fire);
  readonly requestWait: LogStore["requestWait"] = (request) => this.#messages.requestWait(request);
  readonly openWait: LogStore["openWait"] = (operation, page) => this.#messages.openWait(operation, page);
  readonly giveMessage: LogStore["giveMessage"] = (operation, position) =>
    this.#messages.giveMessage(operation, position);
  readonly expireWait: LogStore["expireWait"] = (operation) => this.#messages.expireWait(operation);
  readonly lookBack: LogStore["lookBack"] = (runId, page) => this.#messages.lookBack(runId, page);
  readonly endsAhead: LogStore["endsAhead"] = (limit) => this.#messages.endsAhead(limit);
  readonly publishEnds: LogStore["publishEnds"] = (from, until, messages) =>
    this.#messages.publishEnds(from, until, messages);
  readonly listMessages: LogStore["listMessages"] = (page) => this.#messages.listMessages(page);
  readonly getMessage: LogStore["getMessage"] = (topic, id) => this.#messages.getMessage(topic, id);
  readonly listDispatches: LogStore["listDispatches"] = (position, page) =>
    this.#messages.listDispatches(position, page);
  readonly sweepMessages: LogStore["sweepMessages"] = (before) => this.#messages.sweepMessages(before);

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** A database counts whole milliseconds. */
  get #now(): number {
    return Math.floor(this.#clock.now());
  }

  async now(): Promise<number> {
    return this.#now;
  }

  async changed(): Promise<boolean> {
    return true;
  }

  async append(write: LogWrite): Promise<WriteVerdict> {
    // In the order of the batch: a start takes of buckets when all that are created have their rows.
    const isNew = write.starts.map((start) => start.delivery === null && this.#insertStart(start));
    const refused = new Map(write.starts.flatMap((start, i) => (isNew[i] ? this.#takeTokens(start, false) : [])));
    for (const start of write.starts.filter(({ delivery }) => delivery !== null)) {
      const found = this.#insertStart(start) ? this.#takeTokens(start, false) : [];
      for (const [runId, until] of found) refused.set(runId, until);
      this.#insertDelivery(start);
    }
    const fenced = write.runs.filter((run) => this.#holds(run));
    for (const run of fenced) for (const child of run.beyond?.children ?? []) this.#insertChild(child);
    for (const run of fenced) this.#events.append(run);
    for (const message of write.messages) this.#insertMessage(message, INBOX_ROWS_MAX);
    for (const run of fenced) this.#insertTells(run);
    this.#endPlaces(fenced);
    this.#leaveLines(fenced);
    for (const run of fenced) this.#settle(run);
    for (const run of fenced) if (endsSharing(run)) this.#messages.forgetWaits(run.runId);
    for (const run of fenced) this.#deleteMail(run);
    for (const run of fenced)
      moveRow(this.#runs.get(run.runId) as Mutable<RunRow>, run, this.#inbox.of(run.runId), this.#now);
    return {
      runs: new Map(write.runs.flatMap(({ runId }) => this.#headOf(runId))),
      starts: new Map(write.starts.flatMap((start) => this.#startOf(start))),
      refused,
      messages: new Map(write.messages.map((message) => [message.token, this.#messageVerdict(message)])),
    };
  }

  /** Whether it has made a run. */
  #insertStart(start: RunStart): boolean {
    if (start.delivery !== null && this.#deliveries.has(start.delivery)) return false;
    const isNew = this.#existing(start) === null && this.#active(start.limits?.singleton ?? null) === undefined;
    if (isNew) this.#runs.set(start.runId, newRow(start));
    return isNew;
  }

  #insertDelivery(start: RunStart): void {
    const { delivery } = start;
    if (delivery === null || this.#deliveries.has(delivery)) return;
    const runId = this.#existing(start);
    if (runId !== null) this.#deliveries.put(delivery, "started", runId, null);
  }

  /** The run of a singleton that is under way. */
  #active(singleton: string | null): RunRow | undefined {
    if (singleton === null) return undefined;
    return [...this.#runs.values()].find((run) => run.singleton === singleton && run.endedAt === null);
  }

  /** A run that was just created takes what it needs of buckets; if it may not, it is not created: until when. */
  #takeTokens({ runId, limits }: RunStart, isChild: boolean): [string, number][] {
    const now = this.#now;
    for (const take of limits?.takes ?? []) {
      const run = this.#runs.get(runId) as Mutable<RunRow>;
      const lineAt = run.lineAt as number;
      const delays = isChild || take.delays;
      const until = this.#buckets.shortage(take, delays ? Math.max(lineAt, now) : now);
      if (until !== null && !delays) {
        this.#runs.delete(runId);
        return [[runId, until]];
      }
      run.lineAt = Math.max(lineAt, until ?? lineAt);
      this.#buckets.take(take, delays ? Math.max(now, run.lineAt) : now);
    }
    return [];
  }

  /** The run under a start's idempotency key, or its own. */
  #existing({ runId, workflow, idempotencyKey }: RunStart): string | null {
    if (idempotencyKey !== null) {
      for (const run of this.#runs.values()) {
        if (run.workflow === workflow && run.idempotencyKey === idempotencyKey) return run.id;
      }
    }
    return this.#runs.has(runId) ? runId : null;
  }

  /** The run that there is for it; nothing: its delivery has been decided about otherwise, or its limits refused it. */
  #startOf(start: RunStart): [string, string][] {
    const actual = this.#existing(start) ?? this.#active(start.limits?.singleton ?? null)?.id;
    return actual === undefined ? [] : [[start.runId, actual]];
  }

  /** The fence (rule R2). */
  #holds({ runId, epoch, firstSeq }: RunAppend): boolean {
    const row = this.#runs.get(runId);
    return row !== undefined && row.epoch === epoch && row.head === firstSeq - 1;
  }

  #insertChild({ start, created, availableAt }: ChildStart): void {
    if (this.#existing(start) !== null) return;
    const dueAt = start.limits === null ? availableAt : null;
    const row = newRow({ ...start, owner: null });
    this.#runs.set(start.runId, { ...row, head: 1, availableAt: dueAt, singleton: null });
    this.#takeTokens(start, true);
    this.#events.append({ runId: start.runId, epoch: 0, firstSeq: 1, events: [created] });
  }

  #insertTells({ beyond, events }: RunAppend): void {
    const tells = beyond?.tells ?? [];
    assert(tells.length === 0 || events.length > 0, "a run tells others something without an event");
    for (const message of tells) this.#insertMessage(message, Number.POSITIVE_INFINITY);
  }

  #insertMessage(message: InboxMessage, rowsMax: number): void {
    const row = this.#runs.get(message.runId);
    if (row === undefined || isTerminalStatus(row.status)) return;
    if (this.#inbox.of(message.runId).length < rowsMax) this.#inbox.put(message);
    const mail = this.#inbox.of(message.runId);
    if (row.owner !== null || !isWoken(row.status, mail)) return;
    if (row.status === "stuck" && WAKES_PAUSED.includes((mail.at(-1) as InboxRow).kind)) tryAgain(row);
    wake(row, this.#now);
  }

  #endPlaces(runs: readonly RunAppend[]): void {
    const now = this.#now;
    const endings = runs.flatMap((run): EndingPlaces[] =>
      run.beyond === null ? [] : [{ runId: run.runId, keys: endsSharing(run) ? null : run.beyond.unlocks }],
    );
    this.#tellGranted(this.#locks.end(endings, now), now);
  }

  #tellGranted(granted: readonly LockRow[], now: number): void {
    for (const { runId, ticket, key } of granted) {
      const data = JSON.stringify({ key });
      this.#insertMessage({ runId, kind: "lock", token: `lock/${ticket}`, data, at: now }, Number.POSITIVE_INFINITY);
    }
  }

  #leaveLines(runs: readonly RunAppend[]): void {
    const leaving = runs.flatMap(({ runId, beyond }) =>
      beyond === null || beyond.places === null ? [] : [{ runId, all: beyond.places === "end" }],
    );
    this.#places.leave(leaving, this.#now);
  }

  #settle(run: RunAppend): void {
    if (run.beyond === null) return;
    const isFinal = endsSharing(run) && run.row.kind === "move" && run.row.status === "completed";
    this.#keyed.settle(run.runId, isFinal ? null : run.beyond.settled);
  }

  #deleteMail(run: RunAppend): void {
    this.#inbox.drain(run.drained);
    if (isEnd(run)) this.#inbox.empty(run.runId);
  }

  #headOf(runId: string): [string, RunHead][] {
    const row = this.#runs.get(runId);
    return row === undefined
      ? []
      : [[runId, { epoch: row.epoch, head: row.head, availableAt: row.availableAt ?? row.lineAt }]];
  }

  #messageVerdict({ runId, token }: InboxMessage): MessageVerdict {
    const row = this.#runs.get(runId);
    if (row === undefined) return "unknown-run";
    if (isTerminalStatus(row.status)) return "over";
    const mail = this.#inbox.of(runId);
    if (mail.some((message) => message.token === token)) return "accepted";
    return mail.length >= INBOX_ROWS_MAX ? "full" : "accepted";
  }

  async openWorker(...[worker, leaseMs, programs, queues]: Parameters<LogStore["openWorker"]>): Promise<number> {
    return this.#workers.open({ id: worker, programs: programs ?? null, queues: queues ?? null }, leaseMs);
  }

  async heartbeat(worker: string, leaseMs: number): Promise<Heartbeat> {
    const alive = this.#workers.renew(worker, leaseMs);
    const owned = [...this.#runs.values()].filter((run) => run.owner === worker);
    return { alive, mail: owned.map((run) => run.id).filter((id) => this.#inbox.of(id).length > 0) };
  }

  async closeWorker(worker: string, { forget } = { forget: false }): Promise<void> {
    this.#workers.end(worker);
    const owns = [...this.#runs.values()].some((run) => run.owner === worker);
    if (forget && !owns) this.#workers.forget(worker);
  }

  async listWorkers(): Promise<WorkerRow[]> {
    return this.#workers.list();
  }

  readonly claim: LogStore["claim"] = async (request) => this.#claims.claim(request);
  readonly disown: LogStore["disown"] = async (worker, turn, known) => this.#claims.disown(worker, turn, known);
  readonly workAhead: LogStore["workAhead"] = async (worker, programs, queues) =>
    this.#claims.ahead(worker, programs, queues);
  readonly releaseStuck: LogStore["releaseStuck"] = async (programs) => this.#claims.releaseStuck(programs);

  async load(claims: readonly Pick<Claim, "runId">[]): Promise<Map<string, EventRow[]>> {
    return new Map(claims.map(({ runId }) => [runId, withoutCompletedScopes(this.#events.history(runId))]));
  }

  readonly passOver: LogStore["passOver"] = async (request) => this.#lines.passOver(request);

  async reopen({ runId, seq, event, open }: Reopening): Promise<boolean> {
    const run = this.#runs.get(runId);
    if (run === undefined) return false;
    const isOver = run.status === "failed" || run.status === "cancelled";
    if (isOver && run.head === seq - 1 && this.#active(run.singleton) === undefined) {
      goesOn(run, this.#now);
      this.#keyed.keepOnly(runId, open);
      Object.assign(run, { head: seq, unclean: 0, result: null, endedAt: null });
      run.epoch++;
      this.#events.append({ runId, epoch: run.epoch, firstSeq: seq, events: [event] });
    }
    const found = this.#events.history(runId)[seq - 1];
    return found?.type === event.type && found.at === event.at && found.data === event.data;
  }

  async getKeyed(scope: string, key: string): Promise<KeyedValue> {
    return this.#keyed.get(scope, key, this.#now);
  }

  async listKeyed(scope: string, page: { prefix: string; after: string | null; limit: number }): Promise<KeyedValue[]> {
    return this.#keyed.list(scope, page, this.#now);
  }

  async putKeyed(put: KeyedPut): Promise<KeyedVerdict> {
    return this.#keyed.put(put, put.operation === null || this.#isHeld(put.operation), this.#now);
  }

  async getOperation(operation: Operation): ReturnType<LogStore["getOperation"]> {
    return this.#isHeld(operation) ? this.#keyed.noted(operation) : { kind: "lost" };
  }

  /** Whether an operation's run is still its worker's. */
  #isHeld({ runId, epoch }: Operation): boolean {
    const run = this.#runs.get(runId);
    return run !== undefined && run.epoch === epoch && !isTerminalStatus(run.status);
  }

  async requestLock(request: LockRequest): Promise<LockVerdict> {
    if (!this.#isHeld(request.operation)) return "lost";
    return this.#locks.request(request, this.#now);
  }

  async listLocks(page: { name: string | null; runId?: string; limit: number }): Promise<LockRow[]> {
    return this.#locks.list(page);
  }

  async listPlaces(page: PlaceFilter & { limit: number }): Promise<PlaceRow[]> {
    return this.#places.list(page, page.limit);
  }

  async countPlaces(line: string): ReturnType<LogStore["countPlaces"]> {
    const queue = queueOfLine(line);
    const steps = queue === null ? { held: 0, waiting: 0 } : this.#locks.countSlots(queue);
    return { ...this.#places.count(line), steps };
  }

  async getLine(line: string): Promise<LineSetting | null> {
    return this.#places.setting(line);
  }

  async listLines(page: { after: string | null; limit: number }): Promise<LineSetting[]> {
    return this.#places.settings(page);
  }

  async setLine(setting: LineSetting): Promise<void> {
    this.#places.set(setting, this.#now);
    const queue = queueOfLine(setting.line);
    if (queue !== null) this.#tellGranted(this.#locks.openQueue(queue, this.#now), this.#now);
  }

  async readOutlook(runs: readonly OutlookRequest[]): Promise<Outlook> {
    return {
      events: runs.flatMap(({ runId, afterSeq }) => lastEvents(this.#events.history(runId), afterSeq)),
      places: runs.flatMap(({ runId }) => this.#places.outlook(runId)),
      locks: runs.flatMap(({ runId }) => this.#locks.waiting(runId)),
    };
  }

  async getRun(runId: string): Promise<RunRow | null> {
    const row = this.#runs.get(runId);
    return row === undefined ? null : { ...row };
  }

  async listRuns(
    filter: RunFilter,
    page: { before: string | null; limit: number; window?: RunWindow },
  ): Promise<RunRow[]> {
    return pageOf([...this.#runs.values()], filter, page);
  }

  async runWindow(filter: RunFilter, page: { before: string | null; rows: number }): Promise<RunWindow> {
    return windowOver([...this.#runs.values()], filter, page);
  }

  /** None: its maps are in no file that could be damaged, and what is written together is written in one turn. */
  async strays(): Promise<Stray[]> {
    return [];
  }

  async listLoggedRuns(page: { before: string | null; limit: number }): Promise<string[]> {
    return this.#events
      .runIds()
      .filter((id) => page.before === null || id < page.before)
      .sort((a, b) => (a < b ? 1 : -1))
      .slice(0, page.limit);
  }

  async readHistory(runId: string, page: { afterSeq: number; limit: number }): Promise<EventRow[]> {
    return this.#events
      .history(runId)
      .filter((event) => event.seq > page.afterSeq)
      .slice(0, page.limit);
  }

  async readLog(page: { afterPosition: number; limit: number }): Promise<EventRow[]> {
    return this.#events.log.slice(page.afterPosition, page.afterPosition + page.limit);
  }

  async lastPosition(): Promise<number> {
    return this.#events.log.length;
  }

  async readInbox(runIds: readonly string[]): Promise<InboxRow[]> {
    return this.#inbox.ofAll(runIds);
  }

  async decideDelivery(verdict: DeliveryVerdict): Promise<DecidedDelivery | null> {
    return this.#deliveries.decide(verdict, (signal) => {
      const row = this.#runs.get(signal.runId);
      if (row === undefined) return UNTOLD.unknown;
      if (isTerminalStatus(row.status)) return UNTOLD.over;
      this.#insertMessage(signal, INBOX_ROWS_MAX);
      return this.#inbox.of(signal.runId).some(({ token }) => token === signal.token) ? null : undefined;
    });
  }

  async getDecided(id: DeliveryId): Promise<DecidedDelivery | null> {
    return this.#deliveries.getDecided(id);
  }

  async getDelivery(id: DeliveryId): ReturnType<LogStore["getDelivery"]> {
    return this.#deliveries.get(id);
  }

  async lastReplay(hook: string, deliveryId: string): Promise<number | null> {
    return this.#deliveries.lastReplay(hook, deliveryId);
  }

  async listDeliveries(...[filter, page]: Parameters<LogStore["listDeliveries"]>): Promise<DecidedDelivery[]> {
    return this.#deliveries.list(filter, page);
  }

  async pruneDeliveries(request: { before: number; limit: number }): Promise<number> {
    return this.#deliveries.prune(request);
  }

  readonly holdEndpoint: LogStore["holdEndpoint"] = async (request) =>
    this.#outgoing.hold(request, this.#now, this.#events.log.length);
  readonly releaseEndpoint: LogStore["releaseEndpoint"] = async (endpoint, holder) =>
    this.#outgoing.release(endpoint, holder);
  readonly planNotices: LogStore["planNotices"] = async (plan) => this.#outgoing.plan(plan, this.#now);
  readonly pendingNotices: LogStore["pendingNotices"] = async (endpoint, limit) =>
    this.#outgoing.pending(endpoint, limit);
  readonly settleNotices: LogStore["settleNotices"] = async (settled) => this.#outgoing.settle(settled, this.#now);
  readonly retryNotices: LogStore["retryNotices"] = async (endpoint, position, limit) =>
    this.#outgoing.retry(endpoint, position, limit, this.#now);
  readonly enableEndpoint: LogStore["enableEndpoint"] = async (endpoint) => this.#outgoing.enable(endpoint);
  readonly listEndpoints: LogStore["listEndpoints"] = async () => this.#outgoing.listEndpoints();
  readonly listNotices: LogStore["listNotices"] = async (page) => this.#outgoing.list(page);

  async putApiKey(key: ApiKeyRow): Promise<void> {
    this.#apiKeys.set(key.id, { ...key });
  }

  async listApiKeys(): Promise<ApiKeyRow[]> {
    return [...this.#apiKeys.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async createSchedule(schedule: NewSchedule): Promise<ScheduleRow> {
    return this.#schedules.create(schedule);
  }

  async getSchedule(id: string): Promise<ScheduleView | null> {
    return this.#schedules.get(id, this.#now);
  }

  async listSchedules(page: { after: string | null; limit: number }): Promise<ScheduleRow[]> {
    return this.#schedules.list(page);
  }

  async changeSchedule(change: ScheduleChange): Promise<boolean> {
    return this.#schedules.change(change);
  }

  async deleteSchedule(id: string): Promise<void> {
    this.#schedules.delete(id);
  }

  async schedulesAhead(workflows: readonly string[], limit: number): Promise<SchedulesAhead> {
    return this.#schedules.ahead(workflows, limit, this.#now);
  }

  async listFirings(filter: FiringFilter, page: FiringPage): Promise<FiringRow[]> {
    return this.#schedules.firings(filter, page);
  }

  async getFiring(scheduleId: string, lane: FiringLane, at: number): Promise<FiringRow | null> {
    return this.#schedules.firing(scheduleId, lane, at);
  }

  async close(): Promise<void> {}
}
