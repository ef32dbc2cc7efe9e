/**
 * The claims of the log's reference: which runs are due, and who takes them.
 *
 * Owns: nothing; the rows are `memory.ts`'s, which calls it, and `memory-workers.ts`'s.
 */
import { canTake } from "../kernel/pool.ts";
import { byText } from "./memory-order.ts";
import { goesOn, isKnown, type Mutable, parkPoisoned, take } from "./memory-rows.ts";
import type { MemoryWorkers } from "./memory-workers.ts";
import {
  type Claim,
  type ClaimRequest,
  type ClaimStore,
  type ClaimVerdict,
  type HeldRun,
  POISONED,
  UNCLEAN_ALONE_FROM,
  UNCLEAN_ALONE_MAX,
  type WorkAhead,
} from "./port-claims.ts";
import type { RunRow } from "./port-runs.ts";
import type { ProgramId } from "./port-workers.ts";

/** What claims need of the log. */
export interface ClaimsHost {
  readonly now: () => number;
  readonly runs: ReadonlyMap<string, Mutable<RunRow>>;
  readonly workers: MemoryWorkers;
  readonly hasMail: (runId: string) => boolean;
  /** Runs with limits that are due get in line. */
  readonly arrive: () => void;
}

export class MemoryClaims {
  readonly #host: ClaimsHost;

  constructor(host: ClaimsHost) {
    this.#host = host;
  }

  claim(request: ClaimRequest): ClaimVerdict {
    const { runs, workers, now, hasMail, arrive } = this.#host;
    const { programs, queues = null } = request;
    const known = [...runs.values()].filter((run) => isKnown(run, programs));
    const poisoned = known
      .filter((run) => this.#isClaimable(run))
      .filter((run) => run.unclean >= UNCLEAN_ALONE_FROM + UNCLEAN_ALONE_MAX);
    for (const run of poisoned) parkPoisoned(run, now());
    if (request.linesDue === true) arrive();
    const claims: Claim[] = [];
    const isVoid = !workers.takeTurn(request.worker, request.turn);
    if (!isVoid && workers.isAlive(request.worker)) {
      const served = known.filter((run) => canTake({ programs, queues }, run));
      const open = served.filter(
        (run) => this.#isClaimable(run) && run.unclean >= UNCLEAN_ALONE_FROM === request.alone,
      );
      open.sort((a, b) => (a.availableAt ?? 0) - (b.availableAt ?? 0));
      // Told by id.
      const taken = open.slice(0, request.alone ? 1 : request.limit).sort((a, b) => byText(a.id, b.id));
      for (const run of taken) {
        claims.push(take(run, request.worker, hasMail(run.id)));
      }
    }
    return { isVoid, claims, poisoned: poisoned.map((run) => run.id) };
  }

  #isClaimable(run: RunRow): boolean {
    if (run.owner !== null) return !this.#host.workers.isAlive(run.owner);
    return run.availableAt !== null && run.availableAt <= this.#host.now();
  }

  disown(worker: string, turn: number, known: readonly HeldRun[]): number {
    const { runs, workers, now } = this.#host;
    if (!workers.takeTurn(worker, turn)) return 0;
    const isKnown = (run: RunRow) => known.some(({ runId, epoch }) => runId === run.id && epoch === run.epoch);
    const unknown = [...runs.values()].filter((run) => run.owner === worker && !isKnown(run));
    for (const run of unknown) {
      Object.assign(run, { status: "pending", owner: null, availableAt: now() });
      run.epoch++;
      run.unclean = Math.max(run.unclean - 1, 0);
    }
    return unknown.length;
  }

  ahead(...[worker, programs, queues = null]: Parameters<ClaimStore["workAhead"]>): WorkAhead {
    const { runs, workers } = this.#host;
    const known = [...runs.values()].filter((run) => canTake({ programs, queues }, run));
    const now = this.#host.now();
    const isSuspect = (run: RunRow) => run.unclean >= UNCLEAN_ALONE_FROM;
    const instants = known.flatMap((run) => {
      const leaseOf = run.owner === worker ? null : run.owner;
      const at = run.availableAt ?? (leaseOf === null ? null : workers.expiresAt(leaseOf));
      return at === null || (isSuspect(run) && at <= now) ? [] : [at];
    });
    const lines = [...runs.values()].flatMap(({ lineAt }) => lineAt ?? []);
    instants.push(...lines);
    return {
      dueAt: instants.length === 0 ? null : Math.min(...instants),
      linesDue: lines.some((at) => at <= now),
      suspectDue: known.some((run) => isSuspect(run) && this.#isClaimable(run)),
      now,
    };
  }

  releaseStuck(programs: readonly ProgramId[]): number {
    const { runs, now } = this.#host;
    const released = [...runs.values()].filter(
      (run) => run.status === "stuck" && isKnown(run, programs) && JSON.parse(run.stuck as string).code !== POISONED,
    );
    for (const run of released) {
      goesOn(run, now());
    }
    return released.length;
  }
}
