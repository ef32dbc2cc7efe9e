/**
 * The events of the log's reference, and what is read of them.
 *
 * Owns: the events. Called by `memory.ts`, which knows whose they may be.
 */
import type { EventRow, EventType } from "../kernel/events.ts";
import { ROOT_SCOPE, scopeOfKey } from "../kernel/keys.ts";
import { OpenScopes } from "../kernel/open-scopes.ts";
import { TELLING } from "./port-outlook.ts";
import type { RunAppend } from "./port-write.ts";

export class MemoryEvents {
  readonly #log: EventRow[] = [];
  readonly #histories = new Map<string, EventRow[]>();

  append({ runId, epoch, firstSeq, events }: Pick<RunAppend, "runId" | "epoch" | "firstSeq" | "events">): void {
    const history = this.#histories.get(runId) ?? [];
    this.#histories.set(runId, history);
    events.forEach((event, i) => {
      const row = { ...event, runId, epoch, seq: firstSeq + i, position: this.#log.length + 1 };
      this.#log.push(row);
      history.push(row);
    });
  }

  /** All of them, by position. */
  get log(): readonly EventRow[] {
    return this.#log;
  }

  /** Those of a run, by seq. */
  history(runId: string): readonly EventRow[] {
    return this.#histories.get(runId) ?? [];
  }

  /** Whose there are. */
  runIds(): string[] {
    return [...this.#histories.keys()];
  }
}

/** What a run's next owner needs: a completed scope is one outcome, and its own events are not read. */
export function withoutCompletedScopes(history: readonly EventRow[]): EventRow[] {
  const last = history.at(-1);
  const open = new Set(new OpenScopes(history).among(history).map(([, scope]) => scope));
  const isRead = (scope: string | null): boolean =>
    scope === null || scope === ROOT_SCOPE || (open.has(scope) && isRead(scopeOfKey(scope)));
  return history.filter((event) => event === last || isRead(event.scope));
}

/** The events of a history after a seq, as an outlook has them. */
export function lastEvents(history: readonly EventRow[], afterSeq: number): EventRow[] {
  return history
    .filter(({ seq }) => seq > afterSeq)
    .map((row) => {
      if (row.type === "run.created") {
        const { availableAt = null } = JSON.parse(row.data ?? "{}") as { readonly availableAt?: number };
        return { ...row, data: JSON.stringify({ availableAt }) };
      }
      return TELLING.has(row.type as EventType) ? row : { ...row, data: null };
    });
}
