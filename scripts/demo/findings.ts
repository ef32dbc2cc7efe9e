/** What an act's two files say: nothing that a server said counts, but which deliveries it has acknowledged. */
import { parseEvent, type RunEvent } from "../../src/kernel/events.ts";
import { openForeign } from "../../src/log/libsql/open.ts";
import { libsqlStore } from "../../src/log/libsql/store.ts";
import type { LogStore } from "../../src/log/port.ts";
import { clientFor } from "../../src/runtime/file-client.ts";
import { type BodyStart, type Repeat, readEvidence, repeatedBodies } from "../../test/support/evidence.ts";
import type { Act } from "./acts.ts";
import { ports } from "./ports.ts";

/** A run, and what became of each of its attempts. */
export interface RunFinding {
  readonly id: string;
  readonly subject: string;
  readonly status: string;
  readonly events: readonly RunEvent[];
}

export interface Findings {
  readonly act: Act;
  readonly runs: readonly RunFinding[];
  readonly starts: readonly BodyStart[];
  readonly repeats: readonly Repeat[];
  /** Runs that a server acknowledged and the database does not have. */
  readonly lostStarts: readonly string[];
}

const PAGE = 1_000;

export async function findingsOf(act: Act): Promise<Findings> {
  const store = libsqlStore(openForeign(clientFor, { url: `file:${act.db}` }, ports));
  const events = await allEvents(store);
  const rows = await store.listRuns({}, { before: null, limit: PAGE });
  await store.close();
  const runs = rows.reverse().map(({ id, status }) => {
    const own = events.filter(({ runId }) => runId === id);
    return { id, status, subject: subjectOf(own), events: own };
  });
  const starts = readEvidence(act.evidence);
  const known = new Set(runs.map(({ id }) => id));
  return {
    act,
    runs,
    starts,
    repeats: repeatedBodies(starts, events),
    lostStarts: act.acknowledged.filter((id) => !known.has(id)),
  };
}

async function allEvents(store: LogStore): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (;;) {
    const rows = await store.readLog({ afterPosition: events.at(-1)?.position ?? 0, limit: PAGE });
    if (rows.length === 0) return events;
    events.push(...rows.map(parseEvent));
  }
}

function subjectOf([created]: readonly RunEvent[]): string {
  if (created?.type !== "run.created") return "";
  const { event, action } = created.data.input.value as { event: string; action: string };
  return [event, action].filter((text) => text !== "").join(".");
}
