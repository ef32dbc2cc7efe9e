/**
 * A run's steps as they happen, on stderr: a line when a call ends or an attempt fails. On a terminal what is under way
 * stands below, on one line that is rewritten.
 */
import type { RunEvent } from "../kernel/events.ts";
import { failureText } from "./error-text.ts";
import { type Output, plain } from "./output.ts";
import { lengthText } from "./time-text.ts";
import { type CallLine, noteText, Timeline } from "./timeline.ts";

/** How often the line of what is under way is rewritten, milliseconds. */
const REWRITE_MS = 200;

/** The most calls that it names. */
const NAMED_MAX = 4;

export class Progress {
  readonly #output: Output;
  readonly #timeline = new Timeline();
  readonly #timer: ReturnType<typeof setInterval> | null;
  #hasLiveLine = false;

  constructor(output: Output) {
    this.#output = output;
    this.#timer = output.hasLiveNotes ? setInterval(() => this.#rewrite(), REWRITE_MS) : null;
  }

  add(event: RunEvent): void {
    this.#timeline.add(event);
    const text = this.#lineOf(event);
    if (text === null) return;
    this.#clear();
    this.#output.note(text);
    this.#rewrite();
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#clear();
  }

  #lineOf(event: RunEvent): string | null {
    const colors = this.#output.noteColors;
    const { key, attempt } = event;
    const note = noteText(event);
    if (note !== null) return `${colors.cyan("•")} ${plain(note)}`;
    const call = key === null ? undefined : this.#timeline.call(key);
    const name = plain(key ?? "");
    const took = call === undefined ? "" : colors.dim(` ${lengthText(event.at - call.startedAt)}`);
    switch (event.type) {
      case "step.completed":
      case "timer.fired":
      case "wait.completed":
      case "child.completed":
        return `${colors.green("✓")} ${name}${took}`;
      case "step.failed":
      case "wait.failed":
      case "kv.failed":
      case "child.failed":
      case "start.failed":
        return `${colors.red("✗")} ${name}${took} ${failureText(event.data.error)}`;
      case "wait.expired":
        return `${colors.yellow("⧖")} ${name}${took} no signal came`;
      case "lock.expired":
        return `${colors.yellow("⧖")} ${name}${took} it was not this run's turn in time`;
      case "breaker.refused":
        return `${colors.red("✗")} ${name} the breaker is open`;
      case "child.cancelled":
        return `${colors.yellow("■")} ${name}${took} the run was cancelled`;
      case "child.started":
      case "start.completed":
        return `${colors.dim("→")} ${name} ${colors.dim(`run ${plain(event.data.runId)}`)}`;
      case "wait.started": {
        const { signal, dueAt } = event.data;
        const until = dueAt === undefined ? "" : `, at most ${lengthText(Math.max(0, dueAt - event.at))}`;
        return `${colors.dim("⧖")} ${name} ${colors.dim(`waits for signal ${plain(signal)}${until}`)}`;
      }
      case "attempt.failed": {
        const wait = lengthText(Math.max(0, event.data.retryAt - event.at));
        return `${colors.yellow("↻")} ${name} attempt ${attempt} failed, again in ${wait}: ${failureText(event.data.error)}`;
      }
      case "attempt.interrupted":
        return `${colors.yellow("↻")} ${name} attempt ${attempt} was cut off (worker ${event.data.reason})`;
      case "timer.armed":
        return `${colors.dim("⧖")} ${name} ${colors.dim(`waits ${lengthText(Math.max(0, event.data.dueAt - event.at))}`)}`;
      default:
        return null;
    }
  }

  #rewrite(): void {
    this.#clear();
    const open = this.#timeline.calls.filter(({ status, kind }) => status === "open" && kind !== "scope");
    if (!this.#output.hasLiveNotes || open.length === 0) return;
    const now = Date.now();
    const named = open.slice(0, NAMED_MAX).map((call) => openText(call, now));
    const more = open.length > NAMED_MAX ? `, and ${open.length - NAMED_MAX} more` : "";
    const width = process.stderr.columns || 80;
    const text = `… ${named.join(", ")}${more}`.slice(0, Math.max(1, width - 1));
    process.stderr.write(this.#output.noteColors.dim(text));
    this.#hasLiveLine = true;
  }

  #clear(): void {
    if (this.#hasLiveLine) process.stderr.write("\r\u001b[2K");
    this.#hasLiveLine = false;
  }
}

function openText({ key, dueAt, startedAt, attempts }: CallLine, now: number): string {
  if (dueAt !== null) return `${plain(key)} in ${lengthText(Math.max(0, dueAt - now))}`;
  const { attempt = 1 } = attempts.at(-1) ?? {};
  return `${plain(key)}${attempt > 1 ? ` #${attempt}` : ""} ${lengthText(Math.max(0, now - startedAt))}`;
}
