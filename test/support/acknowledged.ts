/**
 * The file of acknowledged writes: a process notes each part of a write that the log took, by one synchronous write after
 * the verdict. And the judge, who looks for each of them in the log. What was under way when the process died is not noted.
 */
import { createHash } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import type { EventRow } from "../../src/kernel/events.ts";
import type { AppendedEvent, LogWrite, WriteVerdict } from "../../src/log/port-write.ts";

/** One run's events in one write that was acknowledged. */
export interface AcknowledgedPart {
  readonly runId: string;
  readonly epoch: number;
  readonly firstSeq: number;
  readonly events: number;
  /** Of what the events say. */
  readonly digest: string;
}

/** Notes what `verdict` says is written. */
export function noteAcknowledged(path: string, write: LogWrite, verdict: WriteVerdict): void {
  const lines = write.runs.flatMap(({ runId, epoch, firstSeq, events }) => {
    const row = verdict.runs.get(runId);
    const isWritten = row?.epoch === epoch && row.head === firstSeq + events.length - 1;
    if (!isWritten || events.length === 0) return [];
    const part: AcknowledgedPart = { runId, epoch, firstSeq, events: events.length, digest: digestOf(events) };
    return [`${JSON.stringify(part)}\n`];
  });
  if (lines.length > 0) appendFileSync(path, lines.join(""));
}

export function readAcknowledged(path: string): AcknowledgedPart[] {
  const lines = readFileSync(path, "utf8").split("\n");
  // What follows the last line's end is nothing, or a line that a kill cut off.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as AcknowledgedPart);
}

/** The acknowledged parts that `log`, the whole log, does not hold as they were written. */
export function lostParts(parts: readonly AcknowledgedPart[], log: readonly EventRow[]): AcknowledgedPart[] {
  const histories = new Map<string, EventRow[]>();
  for (const row of log) {
    const history = histories.get(row.runId);
    if (history === undefined) histories.set(row.runId, [row]);
    else history.push(row);
  }
  return parts.filter(({ runId, epoch, firstSeq, events, digest }) => {
    const rows = histories.get(runId)?.slice(firstSeq - 1, firstSeq - 1 + events) ?? [];
    const isThere = rows.length === events && rows.every((row, i) => row.seq === firstSeq + i && row.epoch === epoch);
    return !isThere || digestOf(rows) !== digest;
  });
}

function digestOf(events: readonly AppendedEvent[]): string {
  const cells = events.map(({ type, v, key, scope, attempt, at, data }) => [type, v, key, scope, attempt, at, data]);
  return createHash("sha256").update(JSON.stringify(cells)).digest("base64url");
}
