/**
 * `varve db verify`: rebuilds each projection from the events and compares.
 *
 * Rebuilt and compared, for every run: workflow, version, idempotency key, tags, parent, created, started, ended, deadline,
 * head, result, whether and how it ended, when a waiting run goes on, the scope index of its events, the delivery that
 * started it (unless it is so old that it may have been pruned). Every history is held to the named invariants of the kernel.
 *
 * Events determine these in part, and so only bounds are checked: `epoch` (a claim that wrote nothing leaves no event),
 * `unclean` (as above), `owner` (known once its claim wrote something), the due time of a `pending` run (a hand-back and
 * mail choose it). Of places and lines, locks, outcomes that are kept, waits, messages, what is gathered, outgoing notices,
 * schedules and firings it is held that they refer to what there is, belong to runs that go on, and are not ahead of the log;
 * a notice that it is about the event which it names. Not at all: which of `pending`, `running`, `waiting`, `paused` and `stuck` a run is that has not ended,
 * why it is stuck, the content of deliveries, the inbox of a run that goes on, workers, API keys, and what runs share: keyed
 * values, and token buckets.
 *
 * It reads while others write: what seems to differ is read again until the row stands still.
 */
import { isVarveError } from "../kernel/errors.ts";
import type { EventRow } from "../kernel/events.ts";
import { type Violation, violations } from "../kernel/invariants.ts";
import type { Drain } from "../kernel/ports.ts";
import { isTerminalStatus } from "../kernel/state.ts";
import type { LogStore } from "../log/port.ts";
import { DELIVERIES_KEPT_MS, type DecidedDelivery } from "../log/port-deliveries.ts";
import type { RunRow } from "../log/port-runs.ts";
import { type Difference, Projection } from "./projection.ts";

export type { Difference } from "./projection.ts";

/** A rule that a run's history breaks. */
export interface BrokenInvariant extends Violation {
  readonly runId: string;
}

export interface VerifyReport {
  /** Whether every projection is what the events say, and every history well-formed. */
  readonly equal: boolean;
  /** How many runs, events and deliveries were looked at. */
  readonly runs: number;
  readonly events: number;
  readonly deliveries: number;
  readonly differences: readonly Difference[];
  readonly violations: readonly BrokenInvariant[];
  /** How many more differences and violations there are than the lists name. */
  readonly unnamed: number;
  /** Runs that changed at every look, so that their rows could not be compared. */
  readonly unsettled: number;
}

export interface VerifyOptions {
  /** Lets the thread go between two pages. */
  readonly drain: Drain;
  /** Called after each page of runs. */
  readonly onProgress?: (sofar: { readonly runs: number; readonly events: number }) => void;
}

/** The most differences and violations that a report names, each. */
const NAMED_MAX = 1_000;

const ALL = { hook: null, decision: null } as const;

const PAGE_RUNS = 200;
const PAGE_EVENTS = 200;

/** So often at most is a run looked at that changes meanwhile. */
const LOOKS_MAX = 20;

/** Compares every projection in `store` with the events. Reads only. */
export async function verify(store: LogStore, options: VerifyOptions): Promise<VerifyReport> {
  return await new Verification(store, options).run();
}

class Verification {
  readonly #store: LogStore;
  readonly #options: VerifyOptions;
  readonly #differences: Difference[] = [];
  readonly #violations: BrokenInvariant[] = [];
  #runs = 0;
  #events = 0;
  #deliveries = 0;
  #unnamed = 0;
  #unsettled = 0;

  constructor(store: LogStore, options: VerifyOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run(): Promise<VerifyReport> {
    for await (const page of this.#pages()) {
      for (const { runId, row } of page) await this.#checkRun(runId, row);
      await this.#checkMail(page);
      this.#options.onProgress?.({ runs: this.#runs, events: this.#events });
    }
    await this.#checkDeliveries();
    this.#differ(await this.#store.strays());
    const found = this.#differences.length + this.#violations.length;
    return {
      equal: found === 0,
      runs: this.#runs,
      events: this.#events,
      deliveries: this.#deliveries,
      differences: this.#differences,
      violations: this.#violations,
      unnamed: this.#unnamed,
      unsettled: this.#unsettled,
    };
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#options.drain(resolve));
  }

  /** All runs that have a row or an event, greatest id first. */
  async *#pages(): AsyncGenerator<{ readonly runId: string; readonly row: RunRow | null }[]> {
    let before: string | null = null;
    for (;;) {
      const page = { before, limit: PAGE_RUNS };
      const [rows, logged] = [await this.#store.listRuns({}, page), await this.#store.listLoggedRuns(page)];
      const byId = new Map(rows.map((row) => [row.id, row]));
      const ids = [...new Set([...byId.keys(), ...logged])].sort().reverse().slice(0, PAGE_RUNS);
      if (ids.length === 0) return;
      yield ids.map((runId) => ({ runId, row: byId.get(runId) ?? null }));
      before = ids.at(-1) as string;
      await this.#breathe();
    }
  }

  // ---- One run ----

  async #checkRun(runId: string, seen: RunRow | null): Promise<void> {
    this.#runs++;
    const projection = new Projection(runId);
    let row = seen;
    for (let look = 1; ; look++) {
      await this.#fold(projection);
      const found = projection.isReadable ? projection.compare(row) : [];
      if (found.length === 0) break;
      const again = await this.#store.getRun(runId);
      // The events were read between two looks at the same row: they belong together.
      if (isSame(row, again)) {
        this.#differ(found);
        break;
      }
      row = again;
      if (look === LOOKS_MAX) {
        this.#unsettled++;
        break;
      }
    }
    this.#differ(projection.differences);
    for (const violation of violations(projection.history)) this.#name(this.#violations, { runId, ...violation });
    await this.#checkDeliveryOf(projection);
  }

  /** Folds what the log has beyond what was folded. */
  async #fold(projection: Projection): Promise<void> {
    while (projection.isReadable) {
      const page = { afterSeq: projection.lastSeq, limit: PAGE_EVENTS };
      const rows = await this.#readHistory(projection, page);
      this.#events += rows.length;
      for (const row of rows) if (!projection.add(row)) return;
      if (rows.length < PAGE_EVENTS) return;
      await this.#breathe();
    }
  }

  /** A cell that the client cannot read is a finding: the other runs are looked at. */
  async #readHistory(projection: Projection, page: { afterSeq: number; limit: number }): Promise<EventRow[]> {
    try {
      return await this.#store.readHistory(projection.runId, page);
    } catch (error) {
      if (!isVarveError(error, "STORE_CORRUPT")) throw error;
      projection.unreadable(`after seq ${page.afterSeq}: ${error.message}`);
      return [];
    }
  }

  /** A run that ended has no mail: nobody would ever read it. */
  async #checkMail(page: readonly { readonly runId: string; readonly row: RunRow | null }[]): Promise<void> {
    const ended = page.flatMap(({ runId, row }) => (row !== null && isTerminalStatus(row.status) ? [runId] : []));
    if (ended.length === 0) return;
    for (const { runId, id, kind } of await this.#store.readInbox(ended)) {
      this.#differ([{ runId, what: "inbox", expected: "no mail of a run that has ended", found: `${kind} ${id}` }]);
    }
  }

  // ---- Deliveries ----

  async #checkDeliveryOf({ runId, state }: Projection): Promise<void> {
    const delivery = state?.delivery ?? null;
    if (state === null || delivery === null) return;
    const { hook, id, replay = 0 } = delivery;
    const found = await this.#store.getDecided({ hook, deliveryId: id, replay });
    if (found?.runId === runId) return;
    // It may have been pruned: none is before it is so old.
    if (found === null && state.createdAt < (await this.#store.now()) - DELIVERIES_KEPT_MS) return;
    const other = found === null ? "none" : `one of run ${found.runId}`;
    this.#differ([{ runId, what: "delivery", expected: `the delivery ${hook}/${id}`, found: other }]);
  }

  async #checkDeliveries(): Promise<void> {
    let before: number | null = null;
    for (;;) {
      const page: DecidedDelivery[] = await this.#store.listDeliveries(ALL, { before, limit: PAGE_RUNS });
      for (const delivery of page) await this.#checkDelivery(delivery);
      if (page.length < PAGE_RUNS) return;
      before = (page.at(-1) as DecidedDelivery).position;
      await this.#breathe();
    }
  }

  /** A delivery belongs to the run that it started, or to one that was there under its idempotency key. */
  async #checkDelivery({ hook, deliveryId, replay, decision, runId }: DecidedDelivery): Promise<void> {
    this.#deliveries++;
    if (decision !== "started" || runId === null) return;
    const [first] = await this.#store.readHistory(runId, { afterSeq: 0, limit: 1 });
    const projection = new Projection(runId);
    if (first !== undefined) projection.add(first);
    const { state } = projection;
    const named = state?.delivery ?? null;
    if (state !== null && named === null && state.idempotencyKey !== null) return;
    if (named?.hook === hook && named.id === deliveryId && (named.replay ?? 0) === replay) return;
    const found = state === null ? "no such run" : `a run started by ${named === null ? "no" : "another"} delivery`;
    this.#differ([{ runId, what: "delivery", expected: `the run that ${hook}/${deliveryId} started`, found }]);
  }

  // ---- The report ----

  #differ(differences: readonly Difference[]): void {
    for (const difference of differences) this.#name(this.#differences, difference);
  }

  #name<T>(list: T[], item: T): void {
    if (list.length < NAMED_MAX) list.push(item);
    else this.#unnamed++;
  }
}

function isSame(a: RunRow | null, b: RunRow | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
