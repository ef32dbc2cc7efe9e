/**
 * The evidence file: each body appends a line when it begins, by one synchronous write, so that a kill loses none. And the
 * judge, who holds it against the log.
 */
import { appendFileSync, readFileSync } from "node:fs";
import type { RunEvent } from "../../src/kernel/events.ts";

/** A body began. */
export interface BodyStart {
  readonly runId: string;
  readonly key: string;
  readonly attempt: number;
  /** The process in which it began. */
  readonly pid: number;
  /** By the machine's clock, milliseconds since the epoch: the clock of a log in a file. */
  readonly at: number;
}

/** A body that must not have begun. */
export interface Repeat {
  readonly start: BodyStart;
  readonly reason: string;
}

/** Notes that a body begins. */
export function note(path: string, start: BodyStart): void {
  appendFileSync(path, `${JSON.stringify(start)}\n`);
}

export function readEvidence(path: string): BodyStart[] {
  const lines = readFileSync(path, "utf8").split("\n");
  // What follows the last line's end is nothing, or a line that a kill cut off.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as BodyStart);
}

/** The bodies that began although the log held their step's completion, or without being recorded first. */
export function repeatedBodies(starts: readonly BodyStart[], events: readonly RunEvent[]): Repeat[] {
  const recorded = new Map<string, RunEvent>();
  const completed = new Map<string, RunEvent>();
  for (const event of events) {
    if (event.type === "attempt.started") recorded.set(attemptId(event.runId, event.key, event.attempt), event);
    const step = `${event.runId} ${event.key}`;
    if (event.type === "step.completed" && !completed.has(step)) completed.set(step, event);
  }
  const begun = new Map<string, BodyStart>();
  return starts.flatMap((start) => {
    const id = attemptId(start.runId, start.key, start.attempt);
    const record = recorded.get(id);
    const completion = completed.get(`${start.runId} ${start.key}`);
    const earlier = begun.get(id);
    begun.set(id, start);
    const reason = reasonOf(start, { record, completion, earlier });
    return reason === null ? [] : [{ start, reason }];
  });
}

interface Known {
  readonly record: RunEvent | undefined;
  readonly completion: RunEvent | undefined;
  readonly earlier: BodyStart | undefined;
}

function reasonOf(start: BodyStart, { record, completion, earlier }: Known): string | null {
  if (record === undefined) return "the log does not have this attempt";
  if (earlier !== undefined) return `the same attempt began in process ${earlier.pid} already`;
  if (completion === undefined) return null;
  if (completion.position < record.position) return "the log had the step's completion before this attempt";
  // An event's instant is that of its being queued, which is before it is durable.
  return completion.at < start.at ? "the step's completion was recorded before this body began" : null;
}

function attemptId(runId: string, key: string | null, attempt: number | null): string {
  return `${runId} ${key} #${attempt}`;
}
