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
  /**
   * The log's last position just after it began, read past the engine. The clock is asked only about what may have been
   * recorded between `at` and this read, which waits for other writers of a file.
   */
  readonly position?: number;
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

/** What the log says that matters here. */
interface LogIndex {
  /** Where each attempt was recorded first. */
  readonly recorded: ReadonlyMap<string, RunEvent>;
  /** Where each step was completed first. */
  readonly completed: ReadonlyMap<string, RunEvent>;
  /** The worker that wrote under a run's epoch. */
  readonly workers: ReadonlyMap<string, string>;
}

/**
 * The bodies that began although the log held their step's completion, twice in one attempt, or without being recorded
 * first by their own process.
 *
 * @param events the whole log, in order
 */
export function repeatedBodies(starts: readonly BodyStart[], events: readonly RunEvent[]): Repeat[] {
  const log = indexOf(events);
  const begun = new Map<string, BodyStart>();
  return starts.flatMap((start) => {
    const id = attemptId(start.runId, start.key, start.attempt);
    const reason = reasonOf(start, log, begun.get(id));
    begun.set(id, start);
    return reason === null ? [] : [{ start, reason }];
  });
}

function indexOf(events: readonly RunEvent[]): LogIndex {
  const recorded = new Map<string, RunEvent>();
  const completed = new Map<string, RunEvent>();
  const workers = new Map<string, string>();
  const keepFirst = <T>(map: Map<string, T>, key: string, value: T) => {
    if (!map.has(key)) map.set(key, value);
  };
  for (const event of events) {
    const { type, runId, key, attempt, epoch } = event;
    if (type === "attempt.started") keepFirst(recorded, attemptId(runId, key, attempt), event);
    if (type === "step.completed") keepFirst(completed, `${runId} ${key}`, event);
    if (type === "run.created" || type === "run.claimed")
      keepFirst(workers, `${runId} ${epoch}`, event.data.worker ?? "");
  }
  return { recorded, completed, workers };
}

function reasonOf(start: BodyStart, log: LogIndex, earlier: BodyStart | undefined): string | null {
  const { runId, key, attempt, pid, at, position } = start;
  const record = log.recorded.get(attemptId(runId, key, attempt));
  const completion = log.completed.get(`${runId} ${key}`);
  if (record === undefined) return "the log does not have this attempt";
  if (earlier !== undefined) return `the same attempt began in process ${earlier.pid} already`;
  const writer = pidOf(log.workers.get(`${runId} ${record.epoch}`) ?? "");
  if (writer !== null && writer !== pid) return `its attempt was recorded by process ${writer}`;
  if (position !== undefined && record.position > position) return "the log did not have this attempt when it began";
  if (completion === undefined) return null;
  if (completion.position < record.position) return "the log had the step's completion before this attempt";
  // An event's instant is that of its being queued, which is before it is durable.
  const isEarlier =
    position === undefined ? completion.at < at : completion.at <= at && completion.position <= position;
  return isEarlier ? "the step's completion was recorded before this body began" : null;
}

function attemptId(runId: string, key: string | null, attempt: number | null): string {
  return `${runId} ${key} #${attempt}`;
}

/** The process in a worker's id `host:pid/w_...`; null: its label names none. */
function pidOf(worker: string): number | null {
  const pid = /:(\d+)\/[^/]*$/.exec(worker)?.[1];
  return pid === undefined ? null : Number(pid);
}
