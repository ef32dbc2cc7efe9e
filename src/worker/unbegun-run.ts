import type { Claim } from "../log/port-claims.ts";
import type { Beyond, RunAppend } from "../log/port-write.ts";
import { type Leave, leavingRow } from "./row.ts";
import type { Source } from "./writer.ts";

const YIELDS: Beyond = { shares: false, children: [], tells: [], unlocks: [], settled: [], places: "yield" };

/** Nothing of a run that was not begun has changed. */
const UNCHANGED = { startedAt: null, endedAt: null, result: null } as const;

/** Lets go of a claimed run of which nothing could be loaded: a row without an event. */
export class UnbegunRun implements Source {
  readonly runId: string;
  readonly #claim: Claim;
  readonly #leave: Extract<Leave, { kind: "stuck" | "hand-back" }>;
  readonly #left: () => void;
  #taken = false;

  constructor(claim: Claim, leave: Extract<Leave, { kind: "stuck" | "hand-back" }>, left: () => void) {
    this.runId = claim.runId;
    this.#claim = claim;
    this.#leave = leave;
    this.#left = left;
  }

  take(): RunAppend | null {
    if (this.#taken) return null;
    this.#taken = true;
    const { runId, epoch, head } = this.#claim;
    return {
      runId,
      epoch,
      firstSeq: head + 1,
      events: [],
      drained: [],
      row: leavingRow(UNCHANGED, this.#leave, false),
      // One with limits gives back what it holds while it is worked on.
      beyond: this.#leave.kind === "stuck" ? YIELDS : null,
    };
  }

  written(): void {
    this.#left();
  }

  /** Somebody else has it now, and will find what we found. */
  lost(): void {}

  refused(): void {}
}
