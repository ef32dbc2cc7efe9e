/**
 * Messages in the log's reference: what was published, who listens, who waits, what is gathered, what became of each.
 *
 * Owns: all of that. Called by `memory.ts`, which knows the runs. It does in the same order what the batches of
 * `libsql/messages.ts` do.
 */
import { type EventRow, type EventType, isTerminal } from "../kernel/events.ts";
import type { GuardedWrites } from "./memory-guarded.ts";
import { byText } from "./memory-order.ts";
import type { Mutable } from "./memory-rows.ts";
import type { Operation } from "./port-keyed.ts";
import {
  type DispatchAhead,
  type DispatchRow,
  type EndsAhead,
  type GatheredMessage,
  type GatheringRow,
  type MessageDispatch,
  type MessageRow,
  type MessageStore,
  type NewMessage,
  type PublishVerdict,
  type SubscriptionRow,
  SWEEP_MAX,
  type WaitRequest,
  type WaitRow,
  type WaitVerdict,
} from "./port-messages.ts";
import type { RunRow } from "./port-runs.ts";

/** What it needs of the log around it. */
export interface MessagesHost extends GuardedWrites {
  readonly now: () => number;
  readonly events: readonly EventRow[];
  getRun(runId: string): RunRow | undefined;
  liveRuns(): readonly RunRow[];
  firstEvent(runId: string): EventRow | undefined;
  isHeld(operation: Operation): boolean;
}

interface Kept extends Mutable<MessageRow> {
  readonly token: string;
}

interface Wait extends WaitRow {
  after: number | null;
  given: number | null;
  hasEnded: boolean;
}

interface Gathering extends Mutable<GatheringRow> {
  readonly openedAt: number;
  length: number;
  isOpen: boolean;
  firedAt: number | null;
  runId: string | null;
  reason: string | null;
}

interface Dispatched extends DispatchRow {
  readonly gathering: number | null;
}

export class MemoryMessages implements MessageStore {
  readonly #host: MessagesHost;
  #messages: Kept[] = [];
  #lastPosition = 0;
  #subscriptions: SubscriptionRow[] = [];
  #waits: Wait[] = [];
  #lastWait = 0;
  #gatherings: Gathering[] = [];
  #lastGathering = 0;
  #dispatched: Dispatched[] = [];
  /** How far the log has been read for ends of runs; null: nobody listens to any. */
  #endsCursor: number | null = null;

  constructor(host: MessagesHost) {
    this.#host = host;
  }

  async publishMessage(message: NewMessage): Promise<PublishVerdict> {
    this.#insert(message);
    const { position, token } = this.#find(message.topic, message.id) as Kept;
    return { position, created: token === message.token };
  }

  #insert(message: NewMessage): void {
    if (this.#find(message.topic, message.id) !== undefined) return;
    const position = ++this.#lastPosition;
    this.#messages.push({ ...message, position, publishedAt: this.#host.now(), dispatchedAt: null });
  }

  #find(topic: string, id: string): Kept | undefined {
    return this.#messages.find((kept) => kept.topic === topic && kept.id === id);
  }

  #at(position: number): Kept | undefined {
    return this.#messages.find((kept) => kept.position === position);
  }

  async putSubscriptions(workflows: readonly string[], rows: readonly SubscriptionRow[]): Promise<void> {
    this.#subscriptions = [...this.#subscriptions.filter(({ workflow }) => !workflows.includes(workflow)), ...rows];
    this.#subscriptions.sort((a, b) => byText(a.workflow, b.workflow) || byText(a.name, b.name));
    if (this.#listenedRuns().size > 0) this.#endsCursor ??= this.#host.events.length;
  }

  #listenedRuns(): Set<string> {
    const runs = this.#subscriptions.map(({ text }) => (JSON.parse(text) as { readonly run?: string | null }).run);
    return new Set(runs.filter((run) => typeof run === "string"));
  }

  async dispatchAhead({ after, limit }: { after: number; limit: number }): Promise<DispatchAhead> {
    const now = this.#host.now();
    const open = this.#messages.filter(({ position, dispatchedAt }) => dispatchedAt === null && position > after);
    const unfired = this.#gatherings.filter(({ firedAt }) => firedAt === null).sort((a, b) => a.dueAt - b.dueAt);
    const due = unfired.filter(({ dueAt }) => dueAt <= now).map(gatheringRow);
    return {
      isUsed: this.#messages.length + this.#subscriptions.length > 0,
      messages: open.slice(0, limit).map(messageRow),
      due,
      dueAt: unfired.find(({ dueAt }) => dueAt > now)?.dueAt ?? null,
      subscriptions: open.length + due.length > 0 ? [...this.#subscriptions] : [],
    };
  }

  async listWaits(position: number, page: { after: number; limit: number }): Promise<WaitRow[]> {
    const message = this.#at(position);
    return this.#waits
      .filter(
        (wait) =>
          wait.topic === message?.topic &&
          !wait.hasEnded &&
          wait.after !== null &&
          wait.after < position &&
          wait.id > page.after,
      )
      .slice(0, page.limit)
      .map(({ id, runId, key, topic, match }) => ({ id, runId, key, topic, match }));
  }

  async readCreated(runIds: readonly string[]): Promise<EventRow[]> {
    return runIds.flatMap((runId) => this.#host.firstEvent(runId) ?? []);
  }

  async dispatchMessage(dispatch: MessageDispatch): Promise<string[]> {
    const { position, starts, cancels, waits, gathered, decisions } = dispatch;
    const message = this.#at(position);
    if (message !== undefined && message.dispatchedAt === null) {
      for (const { subject, start } of starts) {
        this.#host.start(start);
        this.#note({ position, subject, decision: "started", reason: null, runId: start.start.runId });
      }
      for (const decision of decisions) this.#note({ position, runId: null, ...decision });
      for (const { subject, mail } of cancels) {
        if (!this.#isLive(mail.runId)) continue;
        this.#note({ position, subject, decision: "cancelled", reason: null, runId: mail.runId });
      }
      for (const { mail } of cancels) this.#host.tell(mail);
      const open = this.#waits.filter((wait) => waits.includes(wait.id) && !wait.hasEnded && this.#isLive(wait.runId));
      for (const wait of open) this.#give(wait, message);
      for (const each of gathered) this.#gather(position, each);
      message.dispatchedAt = this.#host.now();
    }
    const woken = this.#waits.filter((wait) => waits.includes(wait.id) && wait.given === position);
    return [...cancels.map(({ mail }) => mail.runId), ...new Set(woken.map(({ runId }) => runId))];
  }

  #isLive(runId: string): boolean {
    return this.#host.liveRuns().some(({ id }) => id === runId);
  }

  #note(row: DispatchRow, gathering: number | null = null): void {
    this.#dispatched.push({ ...row, gathering });
  }

  #give(wait: Wait, { position, topic, id, payload, tags, at }: Kept): void {
    this.#note({ position, subject: wait.key, decision: "woke", reason: null, runId: wait.runId });
    const message = { topic, id, payload: JSON.parse(payload) as unknown, tags, at };
    this.#host.tell({
      runId: wait.runId,
      token: `message/${position}/${wait.id}`,
      kind: "message",
      data: JSON.stringify({ key: wait.key, message }),
      at: this.#host.now(),
    });
    wait.given = position;
    wait.hasEnded = true;
  }

  #gather(position: number, message: GatheredMessage): void {
    const { subject, key, kind, periodMs, maxMs, size, length, lengthMax } = message;
    const now = this.#host.now();
    const isMine = (each: Gathering) => each.subject === subject && each.key === key && each.isOpen;
    const full = this.#gatherings.find((each) => isMine(each) && kind === "batch" && each.length + length > lengthMax);
    if (full !== undefined) Object.assign(full, { isOpen: false, dueAt: Math.min(full.dueAt, now) });
    const open = this.#gatherings.find(isMine);
    if (open === undefined) {
      const dueAt = size <= 1 ? now : now + periodMs;
      const fresh = {
        openedAt: now,
        dueAt,
        count: 1,
        length,
        isOpen: size > 1,
        firedAt: null,
        runId: null,
        reason: null,
      };
      this.#gatherings.push({ id: ++this.#lastGathering, subject, key, kind, ...fresh });
    } else {
      open.count++;
      open.length = kind === "batch" ? open.length + length : length;
      if (kind === "debounce") open.dueAt = Math.min(now + periodMs, open.openedAt + maxMs);
      else if (open.count >= size) open.dueAt = now;
      open.isOpen = open.count < size;
    }
    const last = this.#gatherings.findLast((each) => each.subject === subject && each.key === key) as Gathering;
    const decision = kind === "batch" ? "batched" : "debounced";
    this.#note({ position, subject, decision, reason: null, runId: null }, last.id);
  }

  async readGathered(id: number, limit: number): Promise<MessageRow[]> {
    const positions = this.#dispatched.filter(({ gathering }) => gathering === id).map(({ position }) => position);
    const messages = this.#messages.filter(({ position }) => positions.includes(position));
    return messages.slice(-limit).map(messageRow);
  }

  async fireGathering({ id, count, start, reason }: Parameters<MessageStore["fireGathering"]>[0]): Promise<boolean> {
    const gathering = this.#gatherings.find((each) => each.id === id);
    if (gathering === undefined || gathering.count !== count || gathering.firedAt !== null) return false;
    if (start !== null) this.#host.start(start);
    const runId = start?.start.runId ?? null;
    Object.assign(gathering, { firedAt: this.#host.now(), isOpen: false, runId, reason });
    return true;
  }

  async requestWait({ operation, topic, match, isOpen }: WaitRequest): Promise<WaitVerdict> {
    const { runId, key } = operation;
    if (this.#host.isHeld(operation) && this.#waitOf(operation) === undefined) {
      const after = isOpen ? this.#newest() : null;
      this.#waits.push({ id: ++this.#lastWait, runId, key, topic, match, after, given: null, hasEnded: false });
    }
    return this.#verdict(operation);
  }

  #newest(): number {
    return this.#messages.at(-1)?.position ?? 0;
  }

  async openWait(operation: Operation, { since, seen }: { since: number; seen: number }): Promise<WaitVerdict> {
    const wait = this.#waitOf(operation);
    const isClosed = wait?.hasEnded === false && wait.after === null && this.#host.isHeld(operation);
    const ahead = { topic: wait?.topic ?? "", since, after: seen, limit: 1 };
    if (isClosed && (await this.lookBack(operation.runId, ahead)).length === 0) wait.after = this.#newest();
    return this.#verdict(operation);
  }

  async giveMessage(operation: Operation, position: number): Promise<WaitVerdict> {
    const wait = this.#waitOf(operation);
    const message = this.#at(position);
    const isOpen = this.#host.isHeld(operation) && wait?.hasEnded === false;
    if (isOpen && message !== undefined) this.#give(wait, message);
    return this.#verdict(operation);
  }

  async expireWait(operation: Operation): Promise<WaitVerdict> {
    const wait = this.#waitOf(operation);
    if (wait !== undefined && this.#host.isHeld(operation)) wait.hasEnded = true;
    return this.#verdict(operation);
  }

  #waitOf({ runId, key }: Operation): Wait | undefined {
    return this.#waits.find((wait) => wait.runId === runId && wait.key === key);
  }

  #verdict(operation: Operation): WaitVerdict {
    const wait = this.#waitOf(operation);
    if (wait === undefined || !this.#host.isHeld(operation)) return { kind: "lost" };
    if (!wait.hasEnded) return { kind: "waiting", isOpen: wait.after !== null };
    if (wait.given === null) return { kind: "expired" };
    const message = this.#at(wait.given);
    return message === undefined ? { kind: "waiting", isOpen: true } : { kind: "given", message: messageRow(message) };
  }

  /** A run has ended. */
  forgetWaits(runId: string): void {
    this.#waits = this.#waits.filter((wait) => wait.runId !== runId);
  }

  async lookBack(runId: string, page: Parameters<MessageStore["lookBack"]>[1]): Promise<MessageRow[]> {
    const { topic, since, after, limit } = page;
    const given = this.#dispatched.filter((row) => row.runId === runId && row.decision === "woke");
    return this.#messages
      .filter(({ position, at, ...message }) => {
        const isWithin = position > after && at >= since;
        return message.topic === topic && isWithin && !given.some((row) => row.position === position);
      })
      .slice(0, limit)
      .map(messageRow);
  }

  async endsAhead(limit: number): Promise<EndsAhead | null> {
    const from = this.#endsCursor;
    if (from === null) return null;
    const listened = this.#listenedRuns();
    const window = this.#host.events.slice(from, from + limit);
    const ends = window.flatMap((event) => {
      const run = isTerminal(event.type as EventType) ? this.#host.getRun(event.runId) : undefined;
      if (run === undefined || !listened.has(run.workflow)) return [];
      return [{ event, workflow: run.workflow, version: run.version, tags: run.tags }];
    });
    return { from, until: window.at(-1)?.position ?? from, ends };
  }

  async publishEnds(from: number, until: number, messages: readonly NewMessage[]): Promise<void> {
    if (this.#endsCursor !== from) return;
    for (const message of messages) this.#insert(message);
    this.#endsCursor = until;
  }

  async listMessages(page: Parameters<MessageStore["listMessages"]>[0]): Promise<MessageRow[]> {
    const { topic, before, limit } = page;
    return this.#messages
      .filter((kept) => (topic === null || kept.topic === topic) && (before === null || kept.position < before))
      .reverse()
      .slice(0, limit)
      .map(messageRow);
  }

  async getMessage(topic: string, id: string): Promise<MessageRow | null> {
    const kept = this.#find(topic, id);
    return kept === undefined ? null : messageRow(kept);
  }

  async listDispatches(position: number, page: { after: number; limit: number }): Promise<DispatchRow[]> {
    return this.#dispatched
      .filter((row) => row.position === position)
      .slice(page.after, page.after + page.limit)
      .map(({ gathering, ...row }) => {
        const gathered = this.#gatherings.find(({ id }) => id === gathering);
        return { ...row, reason: row.reason ?? gathered?.reason ?? null, runId: row.runId ?? gathered?.runId ?? null };
      });
  }

  async sweepMessages(before: number): Promise<number> {
    const oldest = this.#messages.slice(0, SWEEP_MAX);
    const open = new Set(this.#gatherings.flatMap(({ id, firedAt }) => (firedAt === null ? [id] : [])));
    const gathered = new Set(
      this.#dispatched.flatMap(({ position, gathering }) =>
        gathering !== null && open.has(gathering) ? [position] : [],
      ),
    );
    const isOld = ({ position, publishedAt, dispatchedAt }: Kept) =>
      publishedAt < before && dispatchedAt !== null && !gathered.has(position);
    const swept = new Set(oldest.filter(isOld).map(({ position }) => position));
    this.#dispatched = this.#dispatched.filter(({ position }) => !swept.has(position));
    this.#messages = this.#messages.filter(({ position }) => !swept.has(position));
    const isUsed = (id: number) => this.#dispatched.some(({ gathering }) => gathering === id);
    this.#gatherings = this.#gatherings.filter(
      ({ id, firedAt }) => firedAt === null || firedAt >= before || isUsed(id),
    );
    return swept.size;
  }
}

function messageRow({ token: _token, ...row }: Kept): MessageRow {
  return { ...row };
}

function gatheringRow({ id, subject, key, kind, count, dueAt }: Gathering): GatheringRow {
  return { id, subject, key, kind, count, dueAt };
}
