/**
 * What a run does at instants: its calls that wait for time, and its deadline.
 *
 * Owns: the run's alarm. Called by the run's other parts.
 */
import { TimeoutError } from "../kernel/errors.ts";
import { Alarm } from "./alarm.ts";
import type { Standing } from "./standing.ts";

export class DueTimes {
  readonly #standing: Standing;
  readonly #alarm: Alarm;

  constructor(standing: Standing) {
    this.#standing = standing;
    const { host } = standing;
    this.#alarm = new Alarm(
      host.clock,
      () => host.now(),
      () => this.ring(),
    );
  }

  /** The instant at which something is due; null: none is known. */
  get next(): number | null {
    let dueAt = this.#standing.state.deadlineAt;
    for (const { waitsUntil } of this.#standing.calls.values()) {
      if (waitsUntil !== null && (dueAt === null || waitsUntil < dueAt)) dueAt = waitsUntil;
    }
    return dueAt;
  }

  /** Rings at that instant, and at no other; null: at none. */
  wake(at: number | null): void {
    this.#alarm.set(at);
  }

  /** Does what is due. */
  ring(): void {
    const { isLive, isStopping, state, host, calls } = this.#standing;
    if (isLive && !isStopping && !state.paused) {
      const now = host.now();
      // What a cancel is about to reach has no use for its time any more.
      for (const call of [...calls.values()]) if (!this.#standing.isCancelled(call)) call.fire(now);
      this.checkDeadline();
    }
    this.#standing.ready();
  }

  checkDeadline(): void {
    const { host, run } = this.#standing;
    const { deadlineAt } = this.#standing.state;
    if (deadlineAt === null || host.now() < deadlineAt) return;
    const deadline = new Date(deadlineAt).toISOString();
    this.#standing.fault ??= new TimeoutError(
      "RUN_DEADLINE",
      `expected run ${run.id} to end by its deadline ${deadline}`,
      {
        runId: run.id,
        deadlineAt,
      },
    );
  }
}
