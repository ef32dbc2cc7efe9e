/** A run as it is printed. */
import type { RunInfo } from "../engine/api.ts";
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
  if (run.status === "paused") return "until varve runs resume";
  if (run.availableAt !== null && run.availableAt > now) return `goes on in ${lengthText(run.availableAt - now)}`;
  if (run.status === "pending" && run.availableAt === null) return "waits in line: see varve runs why";
  if (run.status === "waiting" && run.availableAt === null) return "waits for a signal, or for another run";
  return "";
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
