/** What happened in one simulated run, line by line, for somebody who wants to know why it failed. */
import { formatDuration } from "../kernel/duration.ts";
import type { EventData } from "../kernel/events.ts";
import type { AppendedEvent } from "../log/port-write.ts";
import { OutsideStory } from "./outside-story.ts";
import type { Effect } from "./store.ts";

/** One thing that happened. */
export interface StoryLine {
  /** Milliseconds of virtual time since the beginning. */
  readonly at: number;
  /** In which process; null: to all, or to none. */
  readonly proc: string | null;
  readonly what: string;
}

/** The longest story that is told; of a longer one the middle is left out. */
const LINES_MAX = 60;
const LAST_LINES = 40;

/** Messages of errors are cut: the whole is in the history. */
const MESSAGE_LENGTH_MAX = 120;

export class Story {
  readonly lines: StoryLine[] = [];
  readonly #clock: { readonly now: number };
  readonly #beganAt: number;
  /** By run: how much of its history is told. */
  readonly #told = new Map<string, number>();
  /** Runs in the order in which they came up. */
  readonly #runs: string[] = [];
  readonly #outside = new OutsideStory((runId) => this.nameOf(runId));
  #namesRuns = false;

  constructor(clock: { readonly now: number }) {
    this.#clock = clock;
    this.#beganAt = clock.now;
  }

  /** From now on each line says of which run it is: there may be several. */
  nameRuns(): void {
    this.#namesRuns = true;
  }

  /** What a run is called. */
  nameOf(runId: string): string {
    if (!this.#runs.includes(runId)) this.#runs.push(runId);
    return `run ${this.#runs.indexOf(runId) + 1}`;
  }

  tell(proc: string | null, what: string): void {
    this.lines.push({ at: this.#clock.now - this.#beganAt, proc, what });
  }

  /** Something of a run. */
  tellOf(runId: string, proc: string, what: string): void {
    this.tell(proc, this.#namesRuns ? `${this.nameOf(runId)}: ${what}` : what);
  }

  /** An event is in the log. Returns whether it is new. */
  recorded(proc: string, runId: string, seq: number, event: AppendedEvent): boolean {
    if (seq <= (this.#told.get(runId) ?? 0)) return false;
    this.#told.set(runId, seq);
    const what = eventText(event);
    if (what !== null) this.tellOf(runId, proc, what);
    return true;
  }

  /** A call has had its effect on the log: what schedules and messages bring is told. Returns whether there was any. */
  happened(effect: Effect): boolean {
    const lines = this.#outside.lines(effect);
    for (const what of lines) this.tell(effect.proc.name, what);
    return lines.length > 0;
  }
}

/** A story as text, a line each. */
export function storyText(lines: readonly StoryLine[]): string[] {
  const times = lines.map(({ at }) => timeText(at));
  const width = Math.max(0, ...times.map((time) => time.length));
  const procWidth = Math.max(0, ...lines.map(({ proc }) => proc?.length ?? 0));
  const all = lines.map(
    ({ proc, what }, i) => `${(times[i] as string).padStart(width)}  ${(proc ?? "").padEnd(procWidth)}  ${what}`,
  );
  if (all.length <= LINES_MAX) return all;
  const left = all.length - LINES_MAX;
  return [...all.slice(0, LINES_MAX - LAST_LINES), `... ${left} lines are left out`, ...all.slice(-LAST_LINES)];
}

const SECONDS_MS_MAX = 600_000;

/** To the millisecond while that says something. */
function timeText(ms: number): string {
  return ms < SECONDS_MS_MAX ? `${(ms / 1_000).toFixed(3)} s` : formatDuration(Math.round(ms / 1_000) * 1_000);
}

/** What an event says in the story; null: nothing that another line does not. */
function eventText({ type, key, attempt, at, data }: AppendedEvent): string | null {
  const fields = JSON.parse(data ?? "{}") as Record<string, unknown>;
  const failure = fields["error"] as EventData["run.failed"]["error"] | undefined;
  const error = `${failure?.name ?? "Error"}: ${firstLine(failure?.message ?? "")}`;
  const waits = (field: string) => formatDuration(Number(fields[field]) - at);
  switch (type) {
    case "run.created":
      return "the run is recorded";
    case "run.claimed":
      return "takes the run";
    case "run.completed":
      return "the run is completed";
    case "run.failed":
      return `the run is failed: ${error}`;
    case "run.cancelled":
      return "the run is cancelled";
    case "attempt.failed":
      return `${key}, attempt ${attempt}: recorded as failed, the next in ${waits("retryAt")}`;
    case "attempt.interrupted":
      return `${key}, attempt ${attempt}: recorded as interrupted, nobody knows how far it came`;
    case "attempt.late":
      return `${key}, attempt ${attempt}: recorded as late`;
    case "step.completed":
      return `${key}: recorded as completed`;
    case "step.failed":
      return `${key}: recorded as failed for good: ${error}`;
    case "timer.armed":
      return `${key}: sleeps for ${waits("dueAt")}`;
    case "timer.fired":
      return `${key}: wakes`;
    case "signal.received":
      return `signal ${fields["name"]} comes in`;
    case "wait.started":
      return `${key}: waits for signal ${fields["signal"]}${fields["dueAt"] === undefined ? "" : ` for ${waits("dueAt")}`}`;
    case "wait.completed":
      return `${key}: takes the signal`;
    case "wait.expired":
      return `${key}: no signal came in time`;
    case "wait.failed":
      return `${key}: its match failed: ${error}`;
    case "child.started":
    case "start.completed":
      return `${key}: starts run ${fields["runId"]} of ${fields["workflow"]}`;
    case "start.failed":
      return `${key}: the run could not be started: ${error}`;
    case "child.completed":
    case "child.cancelled":
      return `${key}: the child is ${type.slice("child.".length)}`;
    case "child.failed":
      return `${key}: the child is failed: ${error}`;
    case "lock.requested":
      return `${key}: stands in line for lock ${fields["name"]}`;
    case "lock.acquired":
      return `${key}: has the lock`;
    case "lock.expired":
      return `${key}: leaves the line, it was not its turn in time`;
    case "message.awaited":
      return `${key}: waits for a message on ${fields["topic"]}`;
    case "message.received":
      return `${key}: is given message ${fields["id"]} on ${fields["topic"]}`;
    case "message.expired":
      return `${key}: no message came in time`;
    case "breaker.changed":
      return `breaker ${fields["name"]} was ${fields["from"]} and is ${fields["to"]}`;
    case "breaker.refused":
      return `${key}: the breaker is open`;
    case "cancel.requested":
      return "somebody asks for the run's end";
    case "run.paused":
      return "the run is paused";
    case "run.resumed":
      return "the run is resumed";
    case "run.reopened":
      return "the run goes on again";
    case "scope.completed":
    case "scope.failed":
      return `scope ${key}: ${type.slice("scope.".length)}`;
    default:
      return null;
  }
}

function firstLine(message: string): string {
  const [line = ""] = message.split("\n", 1);
  return line.length > MESSAGE_LENGTH_MAX ? `${line.slice(0, MESSAGE_LENGTH_MAX - 1)}…` : line;
}
