/**
 * The outgoing webhooks of the log's reference.
 *
 * Owns: endpoints and notices. Called by `memory.ts`.
 *
 * I1 What a holder writes is taken only under its epoch.
 * I2 An endpoint has at most one notice about a position.
 */
import { byText } from "./memory-order.ts";
import {
  type EndpointHold,
  type EndpointRow,
  NOTICE_KEPT_MS,
  NOTICES_FORGOTTEN_MAX,
  type NoticeRow,
  type OutgoingStore,
} from "./port-outgoing.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Request<M extends keyof OutgoingStore> = Parameters<OutgoingStore[M]>[0];

export class MemoryOutgoing {
  readonly #endpoints = new Map<string, Mutable<EndpointRow>>();
  /** By endpoint, then by position. */
  readonly #notices = new Map<string, Map<number, Mutable<NoticeRow>>>();

  hold(request: Request<"holdEndpoint">, now: number, lastPosition: number): EndpointHold | null {
    const { endpoint: name, holder, leaseMs, takeOver } = request;
    const row = this.#endpoints.get(name) ?? {
      ...{ name, position: lastPosition, holder: null, expiresAt: 0, epoch: 0, restUntil: null, disabledAt: null },
    };
    this.#endpoints.set(name, row);
    if (row.holder !== holder) {
      if (row.expiresAt > now && !takeOver) return null;
      row.epoch++;
    }
    Object.assign(row, { holder, expiresAt: now + leaseMs });
    return { ...row, pending: this.pending(name, Number.POSITIVE_INFINITY).length, now };
  }

  release(endpoint: string, holder: string): void {
    const row = this.#endpoints.get(endpoint);
    if (row?.holder === holder) row.expiresAt = 0;
  }

  plan({ endpoint, epoch, from, to, notices }: Request<"planNotices">, now: number): boolean {
    const row = this.#endpoints.get(endpoint);
    if (row === undefined || row.epoch !== epoch) return false;
    if (row.position !== from) return row.position === to;
    row.position = to;
    const own = this.#notices.get(endpoint) ?? new Map<number, Mutable<NoticeRow>>();
    this.#notices.set(endpoint, own);
    for (const notice of notices) {
      if (own.has(notice.position)) continue;
      const begun = { endpoint, status: "pending", tries: 0, createdAt: now, firstAt: null, dueAt: now } as const;
      own.set(notice.position, { ...notice, ...begun, endedAt: null, note: null });
    }
    return true;
  }

  pending(endpoint: string, limit: number): NoticeRow[] {
    return [...(this.#notices.get(endpoint)?.values() ?? [])]
      .filter(({ dueAt }) => dueAt !== null)
      .sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0) || a.position - b.position)
      .slice(0, limit)
      .map((notice) => ({ ...notice }));
  }

  settle({ endpoint, epoch, outcomes, restUntil, disable }: Request<"settleNotices">, now: number): void {
    const row = this.#endpoints.get(endpoint);
    if (row === undefined || row.epoch !== epoch) return;
    for (const { position, wasDueAt, tries, status, dueAt, firstAt, note } of outcomes) {
      const notice = this.#notices.get(endpoint)?.get(position);
      if (notice?.dueAt !== wasDueAt) continue;
      const endedAt = status === "pending" ? null : now;
      Object.assign(notice, { tries, status, dueAt, note, endedAt, firstAt: notice.firstAt ?? firstAt });
    }
    if (restUntil !== null) row.restUntil = restUntil;
    if (disable) row.disabledAt ??= now;
    this.#forget(now);
  }

  #forget(now: number): void {
    const ended = [...this.#notices.values()]
      .flatMap((own) => [...own.values()])
      .filter(({ status, endedAt }) => {
        return status !== "pending" && endedAt !== null && endedAt < now - NOTICE_KEPT_MS[status];
      });
    for (const { endpoint, position } of ended.slice(0, NOTICES_FORGOTTEN_MAX)) {
      this.#notices.get(endpoint)?.delete(position);
    }
  }

  retry(endpoint: string, position: number | null, limit: number, now: number): number {
    const found = [...(this.#notices.get(endpoint)?.values() ?? [])]
      .filter((notice) => (position === null ? notice.status === "dead" : notice.position === position))
      .sort((a, b) => a.position - b.position)
      .slice(0, limit);
    for (const notice of found) {
      Object.assign(notice, { status: "pending", tries: 0, dueAt: now, firstAt: null, endedAt: null });
    }
    return found.length;
  }

  enable(endpoint: string): boolean {
    const row = this.#endpoints.get(endpoint);
    if (row !== undefined && (row.disabledAt !== null || row.restUntil !== null)) {
      Object.assign(row, { disabledAt: null, restUntil: null, epoch: row.epoch + 1 });
    }
    return row !== undefined;
  }

  listEndpoints(): EndpointRow[] {
    return [...this.#endpoints.values()].sort((a, b) => byText(a.name, b.name)).map((row) => ({ ...row }));
  }

  list({ endpoint, status, before, limit }: Request<"listNotices">): NoticeRow[] {
    const order = (a: Pick<NoticeRow, "position" | "endpoint">, b: Pick<NoticeRow, "position" | "endpoint">) =>
      b.position - a.position || byText(a.endpoint, b.endpoint);
    return [...this.#notices.values()]
      .flatMap((own) => [...own.values()])
      .filter((notice) => endpoint === null || notice.endpoint === endpoint)
      .filter((notice) => status === null || notice.status === status)
      .filter((notice) => before === null || order(notice, before) > 0)
      .sort(order)
      .slice(0, limit)
      .map((notice) => ({ ...notice }));
  }
}
