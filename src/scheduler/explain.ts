/** Why an instant did fire, or did not: from what was recorded of it, else from the rule that will decide. */
import type { FiringRow, ScheduleView } from "../log/port-schedules.ts";
import { decide, iso } from "./decide.ts";
import type { Plan } from "./definition.ts";

export interface Explanation {
  readonly decision: FiringRow["decision"] | "ahead" | "due" | "none";
  readonly reason: string | null;
  readonly runId: string | null;
}

/** @param recorded the firing that decides the instant; null: none does */
export function explain(
  { timetable, definition: { policy } }: Plan,
  { row, open, now }: ScheduleView,
  at: number,
  recorded: FiringRow | null,
): Explanation {
  const { cursor } = row;
  const isPaused = row.pausedAt !== null;
  if (recorded !== null) return recorded;
  const none = (reason: string): Explanation => ({ decision: "none", reason, runId: null });
  if (timetable.next(at - 1) !== at) {
    const next = timetable.next(at);
    return none(`the timetable does not have it; ${next === null ? "none follows" : `the next is ${iso(next)}`}`);
  }
  if (at <= cursor) return none("it is from before this timetable, or its record is not kept any more");
  const dueAt = timetable.due(at);
  if (dueAt > now) {
    const reason = isPaused ? "paused" : `due at ${iso(dueAt)}`;
    return { decision: "ahead", reason, runId: null };
  }
  const { firings } = decide(timetable, policy, { cursor, isPaused, now, open });
  const ruled = firings.find(
    (firing) => firing.lane === "schedule" && at >= firing.at && at <= (firing.until ?? firing.at),
  );
  const outcome = ruled?.reason ?? ruled?.decision ?? "fired";
  return { decision: "due", reason: `nobody has decided it yet; now it would be: ${outcome}`, runId: null };
}
