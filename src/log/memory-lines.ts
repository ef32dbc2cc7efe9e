/**
 * How runs with limits come into the lines of the log's reference, and leave them to others.
 *
 * Owns: nothing; the rows are `memory.ts`'s, which calls it, and the places `memory-places.ts`'s.
 */
import { canTake } from "../kernel/pool.ts";
import type { MemoryInbox } from "./memory-inbox.ts";
import { byText } from "./memory-order.ts";
import { isGivenBack, passedOver } from "./memory-patience.ts";
import type { MemoryPlaces } from "./memory-places.ts";
import type { Mutable } from "./memory-rows.ts";
import type { MemoryWorkers } from "./memory-workers.ts";
import type { InboxRow } from "./port-inbox.ts";
import { ASIDE_MS, PASSED_MAX, type PassRequest, type PassVerdict } from "./port-patience.ts";
import { ARRIVALS_MAX } from "./port-places.ts";
import type { RunRow } from "./port-runs.ts";

/** What lines need of the log. */
export interface LinesHost {
  readonly now: () => number;
  readonly runs: ReadonlyMap<string, Mutable<RunRow>>;
  readonly places: MemoryPlaces;
  readonly inbox: MemoryInbox;
  readonly workers: MemoryWorkers;
}

export class MemoryLines {
  readonly #host: LinesHost;

  constructor(host: LinesHost) {
    this.#host = host;
  }

  /** Runs with limits that are due get in line, in the order of their first limit. */
  arrive(): void {
    const now = this.#host.now();
    const due = [...this.#host.runs.values()].filter(({ lineAt }) => lineAt !== null && lineAt <= now);
    due.sort((a, b) => (a.lineAt as number) - (b.lineAt as number) || byText(a.id, b.id));
    const arriving = due.slice(0, ARRIVALS_MAX);
    const rankOf = ({ limits }: RunRow) => limits?.[0]?.rank ?? Number.NEGATIVE_INFINITY;
    arriving.sort((a, b) => rankOf(a) - rankOf(b) || byText(a.id, b.id));
    for (const run of arriving) this.#getInLine(run, now);
  }

  #getInLine(run: Mutable<RunRow>, now: number): void {
    if (run.status === "stuck" || run.status === "paused")
      this.#host.places.leave([{ runId: run.id, all: false }], now);
    else {
      this.#host.places.arrive(run.id, run.limits ?? [], now);
      this.#supersede(run.id, now);
    }
    if (run.status === "waiting") run.status = "pending";
    run.lineAt = null;
    run.passedAt = null;
    this.#host.places.admit(run.id, now);
  }

  /** Those before it in a line of the newest are cancelled. */
  #supersede(newest: string, now: number): void {
    for (const runId of this.#host.places.superseded(newest)) {
      const data = JSON.stringify({ reason: `run ${newest} has taken its place` });
      const token = `newest/${newest}/${runId}`;
      if (!this.#host.inbox.has(token)) this.#host.inbox.put({ runId, kind: "cancel", token, data, at: now });
      const row = this.#host.runs.get(runId) as Mutable<RunRow>;
      const isParked = ["waiting", "pending", "stuck", "paused"].includes(row.status) && row.owner === null;
      if (isParked && row.availableAt === null) Object.assign(row, { status: "pending", lineAt: now });
    }
  }

  /** It can be claimed once it has all its this.#host.places. What only ends a run needs none. */
  admitted(runId: string): void {
    const run = this.#host.runs.get(runId);
    if (run === undefined || run.status !== "pending" || run.owner !== null) return;
    if (run.availableAt !== null || run.lineAt !== null) return;
    const onlyEnds = ({ kind }: InboxRow) => kind === "terminate" || (kind === "cancel" && run.head === 1);
    if (!this.#host.places.isInLine(runId) || this.#host.inbox.of(runId).some(onlyEnds))
      run.availableAt = this.#host.now();
  }

  /** As the port's `passOver`. */
  passOver({ patienceMs, ...caller }: PassRequest): PassVerdict {
    const now = this.#host.now();
    const returning = [...this.#host.runs.values()]
      .filter((run) => run.passedAt !== null && canTake(caller, run))
      .slice(0, PASSED_MAX);
    for (const run of returning) Object.assign(run, { lineAt: Math.min(run.lineAt as number, now), passedAt: null });
    const passed = passedOver({
      runs: [...this.#host.runs.values()],
      pools: [caller, ...this.#host.workers.living()],
      until: now - patienceMs,
      placesOf: (place) => this.#host.places.list(place, Number.POSITIVE_INFINITY),
    });
    for (const runId of passed) {
      const run = this.#host.runs.get(runId) as Mutable<RunRow>;
      if (run.status !== "pending" || run.owner !== null || run.lineAt !== null) continue;
      Object.assign(run, { availableAt: null, lineAt: now + ASIDE_MS, passedAt: now });
      this.#host.places.stepAside(runId, (place) => isGivenBack(run, place), now);
    }
    return { passed: passed.length, returned: returning.length };
  }
}
