/**
 * The log's reference: the storage port in plain maps. It forgets everything with its process.
 *
 * Owns: all its rows. Called by tests and by `varve/testing`. It does in the same order what the batch of
 * `libsql/append.ts` does, so the contract suite and the simulator can hold one against the other.
 */
import type { EventRow } from "../kernel/events.ts";
import type { Clock } from "../kernel/ports.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import {
  type ApiKeyRow,
  type Claim,
  type ClaimRequest,
  type ClaimVerdict,
  type DeliveryLink,
  type DeliveryRow,
  INBOX_ROWS_MAX,
  type InboxMessage,
  type InboxRow,
  type LogStore,
  type LogWrite,
  type MessageVerdict,
  POISONED,
  type ProgramId,
  type RunAppend,
  type RunFilter,
  type RunHead,
  type RunRow,
  type RunStart,
  UNCLEAN_ALONE_FROM,
  UNCLEAN_ALONE_MAX,
  type UncleanChange,
  type WorkAhead,
  type WorkerRow,
  type WriteVerdict,
} from "./port.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A log in memory, on `clock`. */
export function memoryStore(clock: Pick<Clock, "now">): LogStore {
  return new MemoryStore(clock);
}

class MemoryStore implements LogStore {
  readonly exclusive = false;
  readonly localClock = true;
  readonly #clock: Pick<Clock, "now">;
  readonly #events: EventRow[] = [];
  readonly #histories = new Map<string, EventRow[]>();
  readonly #runs = new Map<string, Mutable<RunRow>>();
  readonly #workers = new Map<string, Mutable<WorkerRow>>();
  /** By worker: the last of its claims. */
  readonly #turns = new Map<string, number>();
  readonly #deliveries = new Map<string, { runId: string; delivery: DeliveryRow }>();
  readonly #apiKeys = new Map<string, ApiKeyRow>();
  #inbox: InboxRow[] = [];
  #lastInboxId = 0;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  async now(): Promise<number> {
    return Math.floor(this.#clock.now());
  }

  async changed(): Promise<boolean> {
    return true;
  }

  async append(write: LogWrite): Promise<WriteVerdict> {
    for (const start of write.starts) this.#insertStart(start);
    const fenced = write.runs.filter((run) => this.#holds(run));
    for (const run of fenced) this.#insertEvents(run);
    for (const message of write.messages) this.#insertMessage(message);
    for (const run of fenced) this.#deleteMail(run);
    for (const run of fenced) this.#moveRow(run);
    return {
      runs: new Map(write.runs.flatMap(({ runId }) => this.#headOf(runId))),
      starts: new Map(write.starts.map((start) => [start.runId, this.#existing(start) as string])),
      messages: new Map(write.messages.map((message) => [message.token, this.#messageVerdict(message)])),
    };
  }

  #insertStart(start: RunStart): void {
    if (this.#existing(start) === null) this.#runs.set(start.runId, newRow(start));
    const { delivery } = start;
    if (delivery === null) return;
    const id = deliveryKey(delivery.hook, delivery.deliveryId);
    if (!this.#deliveries.has(id)) {
      this.#deliveries.set(id, { runId: this.#existing(start) as string, delivery: structuredClone(delivery) });
    }
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

  /** The fence (rule R2). */
  #holds({ runId, epoch, firstSeq }: RunAppend): boolean {
    const row = this.#runs.get(runId);
    return row !== undefined && row.epoch === epoch && row.head === firstSeq - 1;
  }

  #insertEvents({ runId, epoch, firstSeq, events }: RunAppend): void {
    const history = this.#histories.get(runId) ?? [];
    this.#histories.set(runId, history);
    events.forEach((event, i) => {
      const row = { ...event, runId, epoch, seq: firstSeq + i, position: this.#events.length + 1 };
      this.#events.push(row);
      history.push(row);
    });
  }

  #insertMessage(message: InboxMessage): void {
    const row = this.#runs.get(message.runId);
    if (row === undefined || isTerminalStatus(row.status)) return;
    const mail = this.#mailOf(message.runId);
    if (mail.length < INBOX_ROWS_MAX && !this.#inbox.some(({ token }) => token === message.token)) {
      this.#inbox.push({ ...message, id: ++this.#lastInboxId });
    }
    const parked = row.owner === null && ["waiting", "pending", "stuck"].includes(row.status);
    if (!parked || this.#mailOf(message.runId).length === 0) return;
    const now = Math.floor(this.#clock.now());
    row.status = "pending";
    row.availableAt = Math.min(row.availableAt ?? now, now);
  }

  #mailOf(runId: string): InboxRow[] {
    return this.#inbox.filter((row) => row.runId === runId);
  }

  #deleteMail({ runId, drained, row }: RunAppend): void {
    const ends = row.kind === "move" && isTerminalStatus(row.status);
    this.#inbox = this.#inbox.filter(
      ({ id, ...message }) => !drained.includes(id) && !(ends && message.runId === runId),
    );
  }

  #moveRow({ runId, firstSeq, events, row: patch }: RunAppend): void {
    const row = this.#runs.get(runId) as Mutable<RunRow>;
    row.head = firstSeq + events.length - 1;
    row.unclean = changedUnclean(row.unclean, patch.unclean);
    if (patch.kind === "advance") return;
    const mailLeft = patch.status === "waiting" && this.#mailOf(runId).length > 0;
    row.status = mailLeft ? "pending" : patch.status;
    row.availableAt = mailLeft ? Math.floor(this.#clock.now()) : patch.availableAt;
    if (patch.release) row.owner = null;
    row.result = patch.result;
    row.startedAt = patch.startedAt ?? row.startedAt;
    row.endedAt = patch.endedAt;
    row.stuck = patch.stuck;
  }

  #headOf(runId: string): [string, RunHead][] {
    const row = this.#runs.get(runId);
    return row === undefined ? [] : [[runId, { epoch: row.epoch, head: row.head, availableAt: row.availableAt }]];
  }

  #messageVerdict({ runId, token }: InboxMessage): MessageVerdict {
    const row = this.#runs.get(runId);
    if (row === undefined) return "unknown-run";
    if (isTerminalStatus(row.status)) return "over";
    const mail = this.#mailOf(runId);
    if (mail.some((message) => message.token === token)) return "accepted";
    return mail.length >= INBOX_ROWS_MAX ? "full" : "accepted";
  }

  async openWorker(worker: string, leaseMs: number): Promise<number> {
    const now = Math.floor(this.#clock.now());
    const known = this.#workers.get(worker);
    if (known !== undefined) known.expiresAt = now + leaseMs;
    else this.#workers.set(worker, { id: worker, startedAt: now, expiresAt: now + leaseMs });
    return now;
  }

  async heartbeat(worker: string, leaseMs: number): Promise<{ alive: boolean; mail: string[] }> {
    const alive = this.#isAlive(worker);
    if (alive) (this.#workers.get(worker) as Mutable<WorkerRow>).expiresAt = Math.floor(this.#clock.now()) + leaseMs;
    const owned = [...this.#runs.values()].filter((run) => run.owner === worker);
    return { alive, mail: owned.map((run) => run.id).filter((id) => this.#mailOf(id).length > 0) };
  }

  #isAlive(worker: string): boolean {
    const row = this.#workers.get(worker);
    return row !== undefined && row.expiresAt > Math.floor(this.#clock.now());
  }

  /** Whether a worker's claim is its latest, which it then is. */
  #takeTurn(worker: string, turn: number): boolean {
    if (turn <= (this.#turns.get(worker) ?? 0)) return false;
    this.#turns.set(worker, turn);
    return true;
  }

  async disown(worker: string, turn: number, known: readonly string[]): Promise<number> {
    if (!this.#takeTurn(worker, turn)) return 0;
    const unknown = [...this.#runs.values()].filter((run) => run.owner === worker && !known.includes(run.id));
    for (const run of unknown) {
      Object.assign(run, { status: "pending", owner: null, availableAt: Math.floor(this.#clock.now()) });
      run.epoch++;
      run.unclean = Math.max(run.unclean - 1, 0);
    }
    return unknown.length;
  }

  async closeWorker(worker: string, { forget } = { forget: false }): Promise<void> {
    const row = this.#workers.get(worker);
    if (row !== undefined) row.expiresAt = Math.min(row.expiresAt, Math.floor(this.#clock.now()));
    const owns = [...this.#runs.values()].some((run) => run.owner === worker);
    if (forget && !owns) this.#workers.delete(worker);
  }

  async listWorkers(): Promise<WorkerRow[]> {
    return [...this.#workers.values()].map((row) => ({ ...row }));
  }

  async claim(request: ClaimRequest): Promise<ClaimVerdict> {
    const claimable = [...this.#runs.values()].filter(
      (run) => isKnown(run, request.programs) && this.#isClaimable(run),
    );
    const poisoned = claimable.filter((run) => run.unclean >= UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX);
    for (const run of poisoned) parkPoisoned(run);
    const claims: Claim[] = [];
    const isVoid = !this.#takeTurn(request.worker, request.turn);
    if (!isVoid && this.#isAlive(request.worker)) {
      const open = claimable.filter(
        (run) => !poisoned.includes(run) && run.unclean >= UNCLEAN_ALONE_FROM === request.alone,
      );
      open.sort((a, b) => (a.availableAt ?? 0) - (b.availableAt ?? 0));
      for (const run of open.slice(0, request.alone ? 1 : request.limit)) {
        claims.push(take(run, request.worker, this.#mailOf(run.id).length > 0));
      }
    }
    return { isVoid, claims, poisoned: poisoned.map((run) => run.id) };
  }

  #isClaimable(run: RunRow): boolean {
    if (run.owner !== null) return !this.#isAlive(run.owner);
    return run.availableAt !== null && run.availableAt <= Math.floor(this.#clock.now());
  }

  async load(claims: readonly Pick<Claim, "runId">[]): Promise<Map<string, EventRow[]>> {
    return new Map(claims.map(({ runId }) => [runId, withoutCompletedScopes(this.#histories.get(runId) ?? [])]));
  }

  async workAhead(worker: string, programs: readonly ProgramId[]): Promise<WorkAhead> {
    const known = [...this.#runs.values()].filter((run) => isKnown(run, programs));
    const now = Math.floor(this.#clock.now());
    const isSuspect = (run: RunRow) => run.unclean >= UNCLEAN_ALONE_FROM;
    const instants = known.flatMap((run) => {
      const leaseOf = run.owner === worker ? null : run.owner;
      const at = run.availableAt ?? (leaseOf === null ? null : (this.#workers.get(leaseOf)?.expiresAt ?? null));
      return at === null || (isSuspect(run) && at <= now) ? [] : [at];
    });
    return {
      dueAt: instants.length === 0 ? null : Math.min(...instants),
      suspectDue: known.some((run) => isSuspect(run) && this.#isClaimable(run)),
      now,
    };
  }

  async releaseStuck(programs: readonly ProgramId[]): Promise<number> {
    const released = [...this.#runs.values()].filter(
      (run) => run.status === "stuck" && isKnown(run, programs) && JSON.parse(run.stuck as string).code !== POISONED,
    );
    for (const run of released) {
      run.status = "pending";
      run.availableAt = Math.floor(this.#clock.now());
    }
    return released.length;
  }

  async getRun(runId: string): Promise<RunRow | null> {
    const row = this.#runs.get(runId);
    return row === undefined ? null : { ...row };
  }

  async listRuns(filter: RunFilter, page: { before: string | null; limit: number }): Promise<RunRow[]> {
    return [...this.#runs.values()]
      .filter((run) => matches(run, filter) && (page.before === null || run.id < page.before))
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, page.limit)
      .map((run) => ({ ...run }));
  }

  async listLoggedRuns(page: { before: string | null; limit: number }): Promise<string[]> {
    return [...this.#histories.keys()]
      .filter((id) => page.before === null || id < page.before)
      .sort((a, b) => (a < b ? 1 : -1))
      .slice(0, page.limit);
  }

  async readHistory(runId: string, page: { afterSeq: number; limit: number }): Promise<EventRow[]> {
    const history = this.#histories.get(runId) ?? [];
    return history.filter((event) => event.seq > page.afterSeq).slice(0, page.limit);
  }

  async readLog(page: { afterPosition: number; limit: number }): Promise<EventRow[]> {
    return this.#events.slice(page.afterPosition, page.afterPosition + page.limit);
  }

  async lastPosition(): Promise<number> {
    return this.#events.length;
  }

  async readInbox(runIds: readonly string[]): Promise<InboxRow[]> {
    return this.#inbox.filter((row) => runIds.includes(row.runId));
  }

  async getDelivery(hook: string, deliveryId: string): Promise<{ runId: string; delivery: DeliveryRow } | null> {
    return this.#deliveries.get(deliveryKey(hook, deliveryId)) ?? null;
  }

  async listDeliveries(page: { after: DeliveryLink | null; limit: number }): Promise<DeliveryLink[]> {
    const { after, limit } = page;
    return [...this.#deliveries.values()]
      .map(({ runId, delivery: { hook, deliveryId } }) => ({ hook, deliveryId, runId }))
      .sort(byHookAndId)
      .filter((link) => after === null || byHookAndId(link, after) > 0)
      .slice(0, limit);
  }

  async putApiKey(key: ApiKeyRow): Promise<void> {
    this.#apiKeys.set(key.id, { ...key });
  }

  async listApiKeys(): Promise<ApiKeyRow[]> {
    return [...this.#apiKeys.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async close(): Promise<void> {}
}

function deliveryKey(hook: string, deliveryId: string): string {
  return `${hook}\0${deliveryId}`;
}

function byHookAndId(a: DeliveryLink, b: DeliveryLink): number {
  if (a.hook !== b.hook) return a.hook < b.hook ? -1 : 1;
  return a.deliveryId === b.deliveryId ? 0 : a.deliveryId < b.deliveryId ? -1 : 1;
}

function newRow(start: RunStart): Mutable<RunRow> {
  const { runId, delivery: _, ...columns } = start;
  return {
    ...columns,
    id: runId,
    epoch: start.owner === null ? 0 : 1,
    status: start.owner === null ? "pending" : "running",
    availableAt: null,
    head: 0,
    unclean: start.owner === null ? 0 : 1,
    result: null,
    stuck: null,
    startedAt: start.owner === null ? null : start.createdAt,
    endedAt: null,
  };
}

function changedUnclean(unclean: number, change: UncleanChange): number {
  if (change === "reset") return 0;
  return change === "undo" ? Math.max(unclean - 1, 0) : unclean;
}

function take(run: Mutable<RunRow>, worker: string, hasMail: boolean): Claim {
  const uncleanBefore = run.unclean;
  run.status = "running";
  run.owner = worker;
  run.epoch++;
  run.unclean++;
  run.availableAt = null;
  const { id: runId, workflow, version, epoch, head, stuck } = run;
  return { runId, workflow, version, epoch, head, uncleanBefore, wasStuck: stuck !== null, hasMail };
}

function parkPoisoned(run: Mutable<RunRow>): void {
  run.status = "stuck";
  run.owner = null;
  run.epoch++;
  run.availableAt = null;
  run.stuck = JSON.stringify({ code: POISONED, message: `its claims ended ${run.unclean} times without a result` });
}

function isKnown(run: RunRow, programs: readonly ProgramId[]): boolean {
  return programs.some(({ workflow, version }) => workflow === run.workflow && version === run.version);
}

function matches(run: RunRow, filter: RunFilter): boolean {
  return (
    (filter.workflow === undefined || run.workflow === filter.workflow) &&
    (filter.status === undefined || filter.status.includes(run.status)) &&
    (filter.idempotencyKey === undefined || run.idempotencyKey === filter.idempotencyKey) &&
    (filter.createdFrom === undefined || run.createdAt >= filter.createdFrom) &&
    (filter.createdBefore === undefined || run.createdAt < filter.createdBefore) &&
    Object.entries(filter.tags ?? {}).every(([name, value]) => run.tags[name] === value)
  );
}

/** What a run's next owner needs: a completed scope is one outcome, and its own events are not read. */
export function withoutCompletedScopes(history: readonly EventRow[]): EventRow[] {
  const last = history.at(-1);
  const concluded = new Set(
    history.filter(({ type }) => type === "scope.completed" || type === "scope.failed").map(({ key }) => key),
  );
  const skipped = new Set<string>();
  return history.filter((event) => {
    const hidden = event.scope !== null && (concluded.has(event.scope) || skipped.has(event.scope));
    // What opens within a hidden scope is hidden with it.
    if (hidden && event.type === "scope.started") skipped.add(event.key as string);
    return !hidden || event === last;
  });
}
