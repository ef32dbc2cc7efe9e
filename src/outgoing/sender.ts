/**
 * Sends the notices of one endpoint: makes them of what is new in the log, sends those that are due, records what came
 * of it.
 *
 * Owns: nothing that lasts; where the endpoint is, and its notices, are in the log's database. Called by `notifier.ts`,
 * one round at a time.
 *
 * I1 The endpoint moves over an event in the write that makes its notice: none is missed, and none is made twice.
 * I2 A notice is sent before what came of it is recorded, so after a crash it is sent again, under the same id.
 * I3 Only the holder sends. One whose lease ended meanwhile, as while its process stood still, sends and records nothing.
 */
import { parseEvent, type RunEvent } from "../kernel/events.ts";
import { toFailure } from "../kernel/failure.ts";
import type { Clock, Logger, Outbound } from "../kernel/ports.ts";
import type { LogStore } from "../log/port.ts";
import type { EndpointHold, NewNotice, NoticeOutcome, NoticeRow } from "../log/port-outgoing.ts";
import {
  type Endpoint,
  judgeSend,
  noticeId,
  noticeOf,
  type SendResult,
  type SendVerdict,
  signedRequest,
} from "../triggers/outgoing.ts";
import { isPrivateAddress } from "../triggers/private-address.ts";
import type { SecretResolver } from "../triggers/secrets.ts";

export interface SenderParts {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly outbound: Outbound;
  /** Finds the secrets that endpoints name. */
  readonly secrets: SecretResolver | undefined;
  /** Names this sender among those of all processes. */
  readonly holder: string;
  /** Aborted when nothing more is to be sent. */
  readonly signal: AbortSignal;
  /** Requests that are under way, for whoever breaks them off: listeners on the one signal would pile up. */
  readonly requests: Set<AbortController>;
}

/** What a round leaves. */
export interface Round {
  /** Whether there is more to do at once. */
  readonly more: boolean;
  /** When the next notice is due, by the database's clock; null: none is pending. */
  readonly nextAt: number | null;
}

/** How long a sender keeps an endpoint without a word: longer than a round takes, whose requests end within 30 s. */
const LEASE_MS = 60_000;

/** So long after the hold was asked for a request may still go out: within the lease, with a margin for two clocks. */
const SEND_MS_MAX = LEASE_MS * 0.9;

/** After so long the hold is renewed, and what others have done to the notices is looked at. */
const HOLD_FRESH_MS = 20_000;

/** How long one waits at most before it looks again at an endpoint that another one holds, is disabled, or rests. */
const IDLE_MS = 5_000;

/** Events that are read at once. */
const PAGE_MAX = 500;

/** Over so many events without a notice the endpoint moves in memory alone. */
const MOVE_MIN = 500;

/** From so many pending notices on no further ones are made: the log keeps the events meanwhile. */
const PENDING_MAX = 1_000;

/** Notices that are sent side by side. */
const SENDS_AT_ONCE = 8;

/** Runs whose workflow is remembered. */
const PROGRAMS_MAX = 1_000;

type Program = { readonly workflow: string; readonly version: string };

export class EndpointSender {
  readonly endpoint: Endpoint;
  readonly #parts: SenderParts;
  readonly #programs = new Map<string, Program>();
  /** The last position that was looked at; the recorded one may be behind it. */
  #seen = 0;
  #nextAt: number | null = null;
  /** Until when, monotonic, nothing but the log's growth needs a look. */
  #freshUntil = Number.NEGATIVE_INFINITY;
  /** Until when, monotonic, there is nothing to do here: another one sends, or nobody may. */
  #idleUntil = Number.NEGATIVE_INFINITY;

  constructor(endpoint: Endpoint, parts: SenderParts) {
    this.endpoint = endpoint;
    this.#parts = parts;
  }

  /** Something else than the log may have changed. */
  forget(): void {
    this.#freshUntil = Number.NEGATIVE_INFINITY;
    this.#idleUntil = Number.NEGATIVE_INFINITY;
  }

  async round(now: number): Promise<Round> {
    const { store, clock, holder } = this.#parts;
    const begun = clock.monotonic();
    if (begun < this.#idleUntil) return { more: false, nextAt: now + this.#idleUntil - begun };
    if (await this.#isQuiet(now)) return { more: false, nextAt: this.#nextAt };
    const { name } = this.endpoint;
    const request = { endpoint: name, holder, leaseMs: LEASE_MS, takeOver: store.exclusive };
    const hold = await store.holdEndpoint(request);
    if (hold === null || hold.disabledAt !== null) return this.#idle(now, IDLE_MS);
    const restMs = (hold.restUntil ?? 0) - hold.now;
    if (restMs > 0) return this.#idle(now, Math.min(restMs, IDLE_MS));
    const planned = await this.#plan(hold);
    if (planned === "lost") return this.#idle(now, IDLE_MS);
    const hasMore = await this.#sendDue(hold, begun + SEND_MS_MAX);
    const [next] = await store.pendingNotices(name, 1);
    this.#freshUntil = begun + HOLD_FRESH_MS;
    this.#nextAt = next?.dueAt ?? null;
    return { more: planned === "more" || hasMore, nextAt: this.#nextAt };
  }

  async release(): Promise<void> {
    await this.#parts.store.releaseEndpoint(this.endpoint.name, this.#parts.holder);
  }

  async #isQuiet(now: number): Promise<boolean> {
    const { store, clock } = this.#parts;
    if (clock.monotonic() >= this.#freshUntil || (this.#nextAt !== null && this.#nextAt <= now)) return false;
    return (await store.lastPosition()) <= this.#seen;
  }

  #idle(now: number, ms: number): Round {
    this.#idleUntil = this.#parts.clock.monotonic() + ms;
    return { more: false, nextAt: now + ms };
  }

  /** Makes notices of what is new. `more`: than was looked at. `lost`: another one holds the endpoint by now. */
  async #plan(hold: EndpointHold): Promise<"all" | "more" | "lost"> {
    const { store } = this.#parts;
    const seen = Math.max(hold.position, this.#seen);
    if (hold.pending >= PENDING_MAX) return "all";
    const rows = await store.readLog({ afterPosition: seen, limit: PAGE_MAX });
    const notices: NewNotice[] = [];
    for (const row of rows) {
      if (!this.endpoint.events.has(row.type)) continue;
      if (await this.#isWanted(parseEvent(row))) notices.push(row);
    }
    const to = rows.at(-1)?.position ?? seen;
    if (notices.length > 0 || to - hold.position >= MOVE_MIN) {
      const plan = { endpoint: hold.name, epoch: hold.epoch, from: hold.position, to, notices };
      if (!(await store.planNotices(plan))) return "lost";
    }
    this.#seen = to;
    return rows.length < PAGE_MAX ? "all" : "more";
  }

  async #isWanted(event: RunEvent): Promise<boolean> {
    const program = await this.#programOf(event.runId);
    const { workflows, filter, name } = this.endpoint;
    if (program === null || (workflows !== null && !workflows.has(program.workflow))) return false;
    try {
      return Boolean(filter(noticeOf(this.endpoint, event, program)));
    } catch (error) {
      this.#parts.logger.log("warn", "the filter of an endpoint threw; the event is sent", {
        ...{ endpoint: name, runId: event.runId, type: event.type, error: toFailure(error) },
      });
      return true;
    }
  }

  async #programOf(runId: string): Promise<Program | null> {
    const known = this.#programs.get(runId);
    if (known !== undefined) return known;
    const row = await this.#parts.store.getRun(runId);
    if (row === null) return null;
    if (this.#programs.size >= PROGRAMS_MAX) this.#programs.clear();
    const { workflow, version } = row;
    this.#programs.set(runId, { workflow, version });
    return { workflow, version };
  }

  /** Sends what is due, until a monotonic instant. True: there may be more of it. */
  async #sendDue(hold: EndpointHold, until: number): Promise<boolean> {
    const { store, signal } = this.#parts;
    const pending = await store.pendingNotices(hold.name, SENDS_AT_ONCE);
    // What this round has planned is due a moment after the hold.
    const due = pending.filter(({ tries, dueAt }) => dueAt !== null && (dueAt <= hold.now || tries === 0));
    if (due.length === 0 || signal.aborted) return false;
    const tried = await Promise.all(due.map((notice) => this.#try(notice, { now: hold.now, until })));
    // One that was broken off, or came too late to be sent, came to nothing, and is sent again.
    const sent = tried.filter((each) => each !== null);
    const rests = sent.flatMap(({ verdict }) => (verdict.kind === "retry" ? (verdict.restUntil ?? []) : []));
    const disable = sent.some(({ verdict }) => verdict.kind === "dead" && verdict.disables);
    await store.settleNotices({
      endpoint: hold.name,
      epoch: hold.epoch,
      outcomes: sent.map(({ outcome }) => outcome),
      restUntil: rests.length === 0 ? null : Math.max(...rests),
      disable,
    });
    this.#tell(sent, disable);
    return due.length === SENDS_AT_ONCE && !disable && rests.length === 0;
  }

  async #try(notice: NoticeRow, { now, until }: { now: number; until: number }): Promise<Tried | null> {
    const { clock, signal } = this.#parts;
    const { name } = this.endpoint;
    const { position } = notice;
    const id = noticeId(name, notice.runId, notice.seq);
    const begun = clock.monotonic();
    const result = await this.#send(notice, { id, at: now, until });
    if (result === null || (signal.aborted && result.kind === "error")) return null;
    const tries = notice.tries + 1;
    const firstAt = notice.firstAt ?? now;
    const at = now + Math.round(clock.monotonic() - begun);
    const verdict = judgeSend(this.endpoint, { id, tries, firstAt }, result, at);
    const status = verdict.kind === "retry" ? "pending" : verdict.kind;
    const dueAt = verdict.kind === "retry" ? verdict.at : null;
    return {
      notice,
      verdict,
      outcome: { position, wasDueAt: notice.dueAt ?? 0, tries, status, dueAt, firstAt, note: verdict.note },
    };
  }

  /** Null: it is too late to send it (I3). */
  async #send(
    notice: NoticeRow,
    { id, at, until }: { readonly id: string; readonly at: number; readonly until: number },
  ): Promise<SendResult | null> {
    const { store, clock, outbound, secrets, requests } = this.#parts;
    const { url, timeoutMs, allowPrivate } = this.endpoint;
    const ending = new AbortController();
    const cancelTimer = clock.timer(timeoutMs, () => ending.abort());
    requests.add(ending);
    try {
      const [row] = await store.readLog({ afterPosition: notice.position - 1, limit: 1 });
      const program = await this.#programOf(notice.runId);
      if (row?.runId !== notice.runId || program === null) return { kind: "error", message: "its event is not there" };
      const body = JSON.stringify(noticeOf(this.endpoint, parseEvent(row), program));
      const headers = await signedRequest(this.endpoint, { id, at, body }, secrets);
      const allows = allowPrivate ? null : (address: string) => !isPrivateAddress(address);
      if (clock.monotonic() >= until) return null;
      const answer = await outbound.post({ url, headers, body, signal: ending.signal, allows });
      if (answer.kind === "answer") return answer;
      const { hostname } = new URL(url);
      return { kind: "error", message: `${hostname} is on a private network, which allowPrivate would allow` };
    } catch (error) {
      if (ending.signal.aborted) return { kind: "error", message: `no answer within ${timeoutMs} ms` };
      const { message, cause } = toFailure(error);
      return { kind: "error", message: cause === undefined ? message : `${message}: ${cause.message}` };
    } finally {
      cancelTimer();
      requests.delete(ending);
    }
  }

  #tell(sent: readonly Tried[], disable: boolean): void {
    const { logger } = this.#parts;
    const endpoint = this.endpoint.name;
    for (const { notice, verdict } of sent) {
      if (verdict.kind !== "dead") continue;
      const facts = { endpoint, runId: notice.runId, type: notice.type, position: notice.position, note: verdict.note };
      logger.log("warn", "an outgoing webhook is given up; it is kept and can be retried", facts);
    }
    if (disable) {
      logger.log("warn", "an endpoint answered that it is gone (410): nothing is sent to it until it is enabled", {
        endpoint,
      });
    }
  }
}

interface Tried {
  readonly notice: NoticeRow;
  readonly verdict: SendVerdict;
  readonly outcome: NoticeOutcome;
}
