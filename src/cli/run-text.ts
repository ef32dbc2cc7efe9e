/** A run as it is printed. */
import type { RunInfo } from "../engine/api-run.ts";
import { toFailure } from "../kernel/failure.ts";
import type { RunStatus } from "../kernel/state.ts";
import { failureText } from "./error-text.ts";
import { EXIT } from "./exit-codes.ts";
import type { Colors } from "./output.ts";
import { lengthText } from "./time-text.ts";

const STATUS_COLORS: Readonly<Record<RunStatus, keyof Colors>> = {
  pending: "blue",
  running: "cyan",
  waiting: "blue",
  paused: "yellow",
  stuck: "magenta",
  completed: "green",
  failed: "red",
  cancelled: "yellow",
};

/** `text`, which names `status`, in its colour. */
export function paintStatus(text: string, status: RunStatus, colors: Colors): string {
  return (colors[STATUS_COLORS[status]] as (text: string) => string)(text);
}

/** What is worth saying of a run beside its status, in one line. */
export function runRemark(run: RunInfo, now: number): string {
  if (run.error !== undefined) return failureText(toFailure(run.error));
  if (run.stuck !== undefined) return `${run.stuck.code}: ${run.stuck.message}`;
  if (run.cancelReason !== undefined) return run.cancelReason;
  const { availableAt } = run;
  const ahead = availableAt === null || availableAt <= now ? [] : [`goes on in ${lengthText(availableAt - now)}`];
  return [...waitsText(run, now), ...ahead].join(", ");
}

/** What it waits for, such as `signal approval for 5m`. */
function waitsText({ waitingFor }: RunInfo, now: number): string[] {
  if (waitingFor === null) return [];
  const { kind, name, since } = waitingFor;
  const long = since === null || since > now ? "" : ` for ${lengthText(now - since)}`;
  return [`${kind}${name === null ? "" : ` ${name}`}${long}`];
}

/** How long it took, or takes by now. */
export function runLength({ startedAt, endedAt }: RunInfo, now: number): string {
  return startedAt === null ? "" : lengthText(Math.max(0, (endedAt ?? now) - startedAt));
}

/** What the exit code says of a run that was waited for. */
export function exitCodeOfRun(status: RunStatus): number {
  switch (status) {
    case "completed":
      return EXIT.ok;
    case "failed":
    case "stuck":
      return EXIT.failed;
    case "cancelled":
      return EXIT.cancelled;
    default:
      return EXIT.timedOut;
  }
}
