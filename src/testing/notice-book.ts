/**
 * What the checker knows of outgoing webhooks: what each endpoint asks for, where it is in the log, and what went out to it.
 * It judges each write of them by what the log has after it, and each request by what the log has as it goes out.
 *
 * I1 What an endpoint asks for it is told by the world, never by the engine.
 */
import type { EventRow } from "../kernel/events.ts";
import type { LogStore } from "../log/port.ts";
import type { EndpointRow, NoticeRow } from "../log/port-outgoing.ts";
import type { Expect } from "./book.ts";

/** What a world says of an endpoint that its processes know. */
export interface AskedFor {
  /** Whether it is told of an event. */
  readonly wants: (event: EventRow) => boolean;
  /** For how long a notice is tried, from the first try on, milliseconds. */
  readonly giveUpMs: number;
}

/** A request as it goes out. */
export interface Outgoing {
  readonly proc: string;
  readonly endpoint: string;
  readonly id: string;
  readonly body: string;
  /** Whether the name server puts the host into a private network now. */
  readonly isPrivate: boolean;
}

/** How a request ended for its sender. */
interface Ending {
  /** Null: without an answer. */
  readonly status: number | null;
  /** The rest that was asked for. */
  readonly restMs: number;
}

/** What was written of an endpoint. */
type Change = "plan" | "settle" | "retry" | "enable" | "none";

interface Sent extends Ending {
  readonly at: number;
}

interface Notice {
  row: NoticeRow;
  /** Since when it is to be sent, as it is now. */
  pendingSince: number;
  /** The id and the body that it goes out with; null: it did not yet. */
  form: { readonly id: string; readonly body: string } | null;
  readonly sent: Sent[];
}

interface Known {
  readonly asked: AskedFor;
  position: number;
  /** By position. */
  readonly notices: Map<number, Notice>;
  row: EndpointRow | null;
  /** Since when the log has had its rest. */
  restSince: number;
  /** When somebody enabled it last, and it needed that. */
  enabledAt: number;
}

const ROWS_MAX = 100_000;

/** A round that began under a lease sends nothing after it: so long it may not know what was recorded meanwhile. */
const ROUND_MS_MAX = 60_000;

const AT_ONCE_MAX = 8;

/** The longest wait before another try, if the receiver does not ask for more. */
const waitMsMax = (tries: number) => Math.min(5_000 * 3 ** (tries - 1), 6 * 3_600_000) * 1.25;

export class NoticeBook {
  readonly #expect: Expect;
  readonly #truth: LogStore;
  readonly #clock: { now(): number };
  readonly #endpoints = new Map<string, Known>();
  /** By name of a holder: its process. */
  readonly #holders = new Map<string, string>();
  /** By process and endpoint: what it was told to be pending of late. */
  readonly #read = new Map<string, { readonly at: number; readonly rows: readonly NoticeRow[] }[]>();
  /** By process and endpoint: requests that are under way. */
  readonly #open = new Map<string, number>();
  /** By id: what it names. */
  readonly #ids = new Map<string, string>();

  constructor(expect: Expect, truth: LogStore, clock: { now(): number }) {
    this.#expect = expect;
    this.#truth = truth;
    this.#clock = clock;
  }

  /** A world says what an endpoint asks for (I1). */
  asks(endpoint: string, asked: AskedFor): void {
    this.#endpoints.set(endpoint, { asked, position: -1, notices: new Map(), row: null, restSince: 0, enabledAt: 0 });
  }

  // ---- What reaches the log ----

  /** Somebody asked for an endpoint. A new one begins at the log's end. */
  async held(proc: string, request: { readonly endpoint: string; readonly holder: string }): Promise<void> {
    const { endpoint, holder } = request;
    this.#holders.set(holder, proc);
    const known = this.#endpoints.get(endpoint);
    if (known === undefined) return;
    const isNew = known.position < 0;
    await this.#look(endpoint, known, "none");
    if (!isNew) return;
    const last = await this.#truth.lastPosition();
    this.#expect("notice-for-each-event", known.position === last, () => `${endpoint} begins at ${known.position}`);
  }

  /** Somebody was told what is pending. */
  told(proc: string, endpoint: string, rows: readonly NoticeRow[]): void {
    const place = `${proc} ${endpoint}`;
    const recent = (this.#read.get(place) ?? []).filter(({ at }) => at > this.#now - ROUND_MS_MAX);
    this.#read.set(place, [...recent, { at: this.#now, rows }]);
  }

  /** Something was written of an endpoint: what may it have changed? */
  async wrote(endpoint: string, change: Change): Promise<void> {
    const known = this.#endpoints.get(endpoint);
    if (known !== undefined && known.position >= 0) await this.#look(endpoint, known, change);
  }

  async #look(endpoint: string, known: Known, change: Change): Promise<void> {
    const rows = await this.#truth.listEndpoints();
    const row = rows.find(({ name }) => name === endpoint);
    if (row === undefined) return;
    if (known.row?.restUntil !== row.restUntil) known.restSince = this.#now;
    const wasHeldBack = (known.row?.disabledAt ?? known.row?.restUntil ?? null) !== null;
    if (change === "enable" && wasHeldBack) known.enabledAt = this.#now;
    if (known.row?.disabledAt === null && row.disabledAt !== null) this.#checkGone(known);
    known.row = row;
    const found = await this.#truth.listNotices({ endpoint, status: null, before: null, limit: ROWS_MAX });
    await this.#moved(endpoint, known, row, found);
    for (const notice of found) this.#follow(known, notice, change);
    const isKept = [...known.notices.keys()].every((position) => found.some((notice) => notice.position === position));
    this.#expect("notice-for-each-event", isKept, () => `a notice of ${endpoint} is gone`);
  }

  #checkGone({ notices, enabledAt }: Known): void {
    const sent = [...notices.values()].flatMap((notice) => notice.sent);
    const isGone = sent.some(({ at, status }) => status === 410 && at >= enabledAt);
    this.#expect("notice-as-answered", isGone, () => "an endpoint is disabled, and did not say that it is gone");
  }

  /** What an endpoint has passed has a notice, if it asks for it; and nothing else has. */
  async #moved(endpoint: string, known: Known, row: EndpointRow, found: readonly NoticeRow[]): Promise<void> {
    const from = known.position;
    known.position = row.position;
    if (from < 0) return;
    this.#expect("notice-for-each-event", row.position >= from, () => `${endpoint} went back to ${row.position}`);
    const passed = await this.#truth.readLog({ afterPosition: from, limit: Math.max(0, row.position - from) });
    const wanted = passed.filter((event) => event.position <= row.position && known.asked.wants(event));
    const made = found.filter(({ position }) => !known.notices.has(position)).reverse();
    const isRight =
      made.length === wanted.length &&
      made.every(({ position, runId, seq, type }, i) => {
        const event = wanted[i];
        return position === event?.position && runId === event.runId && seq === event.seq && type === event.type;
      });
    const what = () =>
      `${endpoint} moved from ${from} to ${row.position} with ${made.map(({ position }) => position)}, and asks for ${wanted.map(({ position }) => position)}`;
    this.#expect("notice-for-each-event", isRight, what);
  }

  #follow({ asked, notices }: Known, row: NoticeRow, change: Change): void {
    const notice = notices.get(row.position);
    if (notice === undefined) {
      notices.set(row.position, { row, pendingSince: this.#now, form: null, sent: [] });
      return;
    }
    const { row: before } = notice;
    if (change === "retry" && row.tries === 0 && row.status === "pending") {
      // Also of one that was to be tried for the first time: nothing of it has changed.
      if (before.tries > 0 || before.status !== "pending") notice.pendingSince = this.#now;
    } else if (before.tries !== row.tries || before.status !== row.status || before.dueAt !== row.dueAt) {
      const isRight = change === "settle" && before.status === "pending" && row.tries === before.tries + 1;
      const what = () =>
        `${nameOf(row)} went from try ${before.tries} (${before.status}) to ${row.tries} (${row.status})`;
      this.#expect("notice-as-answered", isRight && this.#isAnswered(notice, row, asked), what);
    }
    notice.row = row;
  }

  /** Whether what is recorded of a try is what came of it. */
  #isAnswered(notice: Notice, { status, dueAt, tries, firstAt }: NoticeRow, { giveUpMs }: AskedFor): boolean {
    const own = notice.sent.filter(({ at }) => at >= notice.pendingSince);
    const giveUpAt = (firstAt ?? 0) + giveUpMs;
    if (status === "delivered") return own.some(isTaken);
    if (status === "pending") return (dueAt ?? 0) <= giveUpAt;
    const restMs = Math.max(0, ...own.map((each) => each.restMs));
    return own.some((each) => each.status === 410) || this.#now + Math.max(waitMsMax(tries), restMs) > giveUpAt;
  }

  // ---- What goes out ----

  /** A request goes out; what it returns is called when it has ended for its sender. */
  goesOut(request: Outgoing): (ending: Ending) => void {
    const { proc, endpoint } = request;
    const known = this.#endpoints.get(endpoint);
    const { runId, seq } = (
      JSON.parse(request.body) as { readonly data: { readonly runId: string; readonly seq: number } }
    ).data;
    const notice = [...(known?.notices.values() ?? [])].find(({ row }) => row.runId === runId && row.seq === seq);
    this.#expect(
      "notice-one-id",
      notice !== undefined,
      () => `${endpoint} is told of ${runId} ${seq}, and has no notice of it`,
    );
    if (known === undefined || notice === undefined) return () => {};
    this.#checkForm(notice, request);
    this.#expect(
      "notice-out-in-the-world",
      !request.isPrivate,
      () => `${nameOf(notice.row)} goes to a private network`,
    );
    this.#checkMoment(known, notice, request);
    const place = `${proc} ${endpoint}`;
    const open = (this.#open.get(place) ?? 0) + 1;
    this.#open.set(place, open);
    this.#expect("notice-by-holder", open <= AT_ONCE_MAX, () => `${place} has ${open} requests under way`);
    const index = notice.sent.push({ at: this.#now, status: null, restMs: 0 }) - 1;
    return (ending) => {
      notice.sent[index] = { ...(notice.sent[index] as Sent), ...ending };
      this.#open.set(place, (this.#open.get(place) ?? 1) - 1);
    };
  }

  #checkForm(notice: Notice, { id, body, endpoint }: Outgoing): void {
    const form = notice.form ?? { id, body };
    notice.form = form;
    const name = nameOf(notice.row);
    const isOne = form.id === id && form.body === body && (this.#ids.get(id) ?? name) === name;
    this.#ids.set(id, name);
    this.#expect("notice-one-id", isOne, () => `${endpoint} is told of ${name} as ${id}, and was as ${form.id}`);
  }

  #checkMoment(known: Known, { row }: Notice, { proc, endpoint }: Outgoing): void {
    const now = this.#now;
    const { holder = null, expiresAt = 0 } = known.row ?? {};
    const isHolder = this.#holders.get(holder ?? "") === proc && expiresAt > now;
    this.#expect("notice-by-holder", isHolder, () => `${proc} sends ${nameOf(row)}, and ${holder} holds its endpoint`);
    const reads = (this.#read.get(`${proc} ${endpoint}`) ?? []).flatMap(({ rows }) => rows);
    const isDue = reads.some(({ position, dueAt }) => position === row.position && (dueAt ?? now + 1) <= now);
    this.#expect("notice-when-due", isDue, () => `${proc} sends ${nameOf(row)}, which is due at ${row.dueAt}`);
    this.#expect("notice-held-back", !this.#isHeldBack(known), () => `${proc} sends to ${endpoint}, which rests`);
  }

  /** Whether a round that goes on can only have begun when the log had it that nothing is to go out. */
  #isHeldBack({ row, restSince }: Known): boolean {
    const since = this.#now - ROUND_MS_MAX;
    const disabledAt = row?.disabledAt ?? this.#now;
    return disabledAt < since || ((row?.restUntil ?? 0) > this.#now && restSince < since);
  }

  died(proc: string): void {
    for (const endpoint of this.#endpoints.keys()) this.#open.delete(`${proc} ${endpoint}`);
  }

  // ---- The end ----

  /** Once nothing goes wrong any more, and somebody has tried again what was given up. */
  async finish(): Promise<void> {
    for (const [endpoint, known] of this.#endpoints) {
      if (known.position < 0) continue;
      await this.#look(endpoint, known, "none");
      const last = await this.#truth.readLog({ afterPosition: known.position, limit: ROWS_MAX });
      const missed = last.filter((event) => known.asked.wants(event));
      this.#expect(
        "notice-for-each-event",
        missed.length === 0,
        () => `${endpoint} never came to ${missed[0]?.position}`,
      );
      for (const { row, sent } of known.notices.values()) {
        const isRight = row.status === "delivered" && sent.some(isTaken);
        this.#expect("notice-delivered", isRight, () => `${nameOf(row)} is ${row.status} in the end`);
      }
    }
  }

  get #now(): number {
    return Math.floor(this.#clock.now());
  }
}

function nameOf({ endpoint, runId, seq }: Pick<NoticeRow, "endpoint" | "runId" | "seq">): string {
  return `${endpoint}/${runId}/${seq}`;
}

function isTaken({ status }: Sent): boolean {
  return status !== null && status >= 200 && status < 300;
}
