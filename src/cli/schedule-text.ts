/** Schedules and firings as people read them. */
import type { FiringInfo, ScheduleInfo } from "../engine/api-schedules.ts";
import { lengthText } from "./time-text.ts";

/** An instant to the second, in a zone, with the offset that holds there then. */
export function wallText(at: number, timezone = "UTC"): string {
  const format = new Intl.DateTimeFormat("sv-SE", {
    ...{ timeZone: timezone, year: "numeric", month: "2-digit", day: "2-digit" },
    ...{ hour: "2-digit", minute: "2-digit", second: "2-digit", weekday: "short", timeZoneName: "longOffset" },
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = new Intl.DateTimeFormat("en", { timeZone: timezone, weekday: "short" }).format(at);
  const offset = (parts.timeZoneName ?? "").replace("GMT", "").replace("\u2212", "-");
  return `${day} ${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second} ${offset === "" ? "UTC" : offset}`;
}

/** How it stands, in a word or two. */
export function scheduleState({ paused, nextAt, waiting }: ScheduleInfo): string {
  if (paused !== null) return "paused";
  if (waiting > 0) return `active, ${waiting} waiting`;
  return nextAt === null ? "over" : "active";
}

/** What became of an instant, and why. */
export function firingRemark({ decision, reason, cause, instants, until, at, decidedAt }: FiringInfo): string {
  const parts: string[] = [];
  if (until !== null) parts.push(`${instants ?? "many"} instants`);
  if (reason !== null) parts.push(reason);
  if (decision === "fired" && cause === "catch-up" && decidedAt !== null)
    parts.push(`${lengthText(decidedAt - at)} late`);
  return parts.join(", ");
}
