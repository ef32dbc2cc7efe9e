/** Which scopes of a run its next owner need not look into. */
import { closesScope, type EventRow } from "./events.ts";

type Reopenings = ReadonlyMap<string, readonly { readonly seq: number; readonly from: number }[]>;

/**
 * Scopes whose own events count, by run: those that are open, or run again, and those that a retry of the run has undone,
 * whose attempts keep their numbers. A completed scope is one outcome.
 */
export class OpenScopes {
  readonly #reopenings: Reopenings;

  /** @param events run-wide events at least */
  constructor(events: Iterable<EventRow>) {
    this.#reopenings = reopeningsIn(events);
  }

  /** Those that events of one scope, or of several, tell of: in order of seq for each run. */
  among(events: Iterable<EventRow>): [runId: string, scope: string][] {
    const open = new Map<string, [string, string]>();
    const startedAt = new Map<string, number>();
    for (const event of events) {
      const { runId, key, type, seq } = event;
      const id = `${runId}\0${key}`;
      if (type === "scope.started") {
        open.set(id, [runId, key as string]);
        startedAt.set(id, seq);
      } else if (closesScope(event) && !this.#isUndone(event, startedAt.get(id) ?? seq)) open.delete(id);
    }
    return [...open.values()];
  }

  #isUndone({ runId, seq }: EventRow, startedAt: number): boolean {
    const reopenings = this.#reopenings.get(runId) ?? [];
    return reopenings.some((reopening) => reopening.seq > seq && reopening.from < startedAt);
  }
}

function reopeningsIn(events: Iterable<EventRow>): Reopenings {
  const found = new Map<string, { seq: number; from: number }[]>();
  for (const { runId, type, seq, data } of events) {
    if (type !== "run.reopened") continue;
    const from = fromOf(data);
    if (from !== null) found.set(runId, [...(found.get(runId) ?? []), { seq, from }]);
  }
  return found;
}

/** Null: it is damaged, of which whoever folds the events tells. */
function fromOf(data: string | null): number | null {
  try {
    const { from } = JSON.parse(data ?? "{}") as { readonly from?: unknown };
    return typeof from === "number" ? from : null;
  } catch {
    return null;
  }
}
