import type { VarveError } from "../kernel/errors.ts";
import type { Claim, RunAppend } from "../log/port.ts";
import { stuckText } from "./row.ts";
import type { Source } from "./writer.ts";

/** Parks a claimed run that cannot even be loaded: a row without an event. */
export class StuckRun implements Source {
  readonly runId: string;
  readonly #claim: Claim;
  readonly #error: VarveError;
  readonly #parked: (error: VarveError) => void;
  #taken = false;

  constructor(claim: Claim, error: VarveError, parked: (error: VarveError) => void) {
    this.runId = claim.runId;
    this.#claim = claim;
    this.#error = error;
    this.#parked = parked;
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
      row: {
        kind: "move",
        unclean: "undo",
        status: "stuck",
        availableAt: null,
        release: true,
        result: null,
        startedAt: null,
        endedAt: null,
        stuck: stuckText(this.#error),
      },
    };
  }

  written(): void {
    this.#parked(this.#error);
  }

  /** Somebody else has it now, and will find what we found. */
  lost(): void {}

  refused(): void {}
}
