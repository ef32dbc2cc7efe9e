/**
 * Time becomes decisions: what is due of one schedule is decided and recorded, with the runs that it starts, in one write.
 *
 * S1 A write holds the revision that was read: if anybody else was faster, everything is read and decided again.
 * S2 What a caller changes (a pause, a new definition) is in the write that decides what was due before it.
 */
import { StoreError } from "../kernel/errors.ts";
import type { Trigger } from "../kernel/events.ts";
import type { LogStore } from "../log/port.ts";
import type { InboxMessage } from "../log/port-inbox.ts";
import type { FiringLane, FiringRow, ScheduleChange, ScheduleRow, ScheduleView } from "../log/port-schedules.ts";
import type { ChildStart } from "../log/port-write.ts";
import { decide, iso, nextDue, type RuledFiring } from "./decide.ts";
import type { Plan } from "./definition.ts";

/** A run of a schedule. */
export interface RunOfSchedule {
  readonly workflow: string;
  readonly version: string | null;
  readonly definition: Plan["definition"];
  readonly idempotencyKey: string;
  readonly trigger: Trigger;
  readonly createdAt: number;
}

export interface SettleHost {
  readonly store: Pick<LogStore, "getSchedule" | "changeSchedule">;
  /** Whether a run of the workflow can be started here. */
  knows(workflow: string): boolean;
  planOf(row: Pick<ScheduleRow, "id" | "definition">): Plan;
  newToken(): string;
  /** The run as a write has it. */
  startOf(run: RunOfSchedule): ChildStart;
  /** What a change did to others is durable. */
  changed(starts: readonly ChildStart[], tells: readonly InboxMessage[]): void;
}

/** What a caller changes of a schedule. */
export interface Edit {
  readonly row?: Partial<Pick<ScheduleRow, "workflow" | "version" | "definition" | "source" | "pausedAt" | "note">>;
  /** Firings beside those of the timetable. One that fires is given its run. */
  readonly firings?: readonly RuledFiring[];
}

/** What it was changed to. */
export interface Settled {
  readonly row: ScheduleRow;
  readonly firings: readonly FiringRow[];
}

/** How long firings are kept, and how many of a schedule. */
const FIRINGS_KEPT = { ms: 90 * 86_400_000, count: 1_000 } as const;

const UNDECIDED = { firings: [], cancels: [], ended: [] } as const;

/** Each further try means that somebody else has changed the schedule meanwhile. */
const TRIES = 50;

const FIRE_KEYS: { readonly [L in FiringLane]: string } = { schedule: "", backfill: "/backfill", manual: "/manual" };

/**
 * Decides what is due of a schedule, and makes an edit of it. Null: there is no such schedule, or `edit` wants nothing.
 *
 * @throws StoreError `SCHEDULE_BUSY` when others keep changing it
 */
export async function settle(
  host: SettleHost,
  id: string,
  edit: (view: ScheduleView) => Edit | null | Promise<Edit | null> = () => ({}),
): Promise<Settled | null> {
  for (let tries = 0; tries < TRIES; tries++) {
    const view = await host.store.getSchedule(id);
    const edited = view === null ? null : await edit(view);
    if (view === null || edited === null) return null;
    const { change, firings } = changeOf(host, view, edited);
    const { revision, token } = change;
    const row = { ...view.row, ...change.row };
    if (isNothing(change, view.row)) return { row, firings };
    if (!(await host.store.changeSchedule(change))) continue;
    host.changed(change.starts, change.tells);
    return { row: { ...row, revision: revision + 1, token }, firings };
  }
  throw new StoreError("SCHEDULE_BUSY", `schedule ${id} was changed by others ${TRIES} times in a row; try again`, {
    retry: true,
    id,
  });
}

function changeOf(
  host: SettleHost,
  { row, open, now }: ScheduleView,
  edit: Edit,
): { readonly change: ScheduleChange; readonly firings: readonly FiringRow[] } {
  const plan = host.planOf(row);
  const { timetable, definition } = plan;
  const situation = { cursor: row.cursor, isPaused: row.pausedAt !== null, now, open };
  // Who cannot start a run leaves it to others what becomes of an instant. In a pause none starts.
  const isOpen = situation.isPaused || host.knows(row.workflow);
  const ruling = isOpen ? decide(timetable, definition.policy, situation) : { ...UNDECIDED, cursor: row.cursor };
  const after = { ...row, ...edit.row };
  const isNew = after.definition !== row.definition || after.workflow !== row.workflow || after.version !== row.version;
  const generation = row.generation + (isNew ? 1 : 0);
  const starts: ChildStart[] = [];
  const recorded = (ruled: RuledFiring, by: ScheduleRow): FiringRow => {
    const isDecided = ruled.decision !== "waiting";
    const facts = { scheduleId: row.id, generation: by.generation, decidedAt: isDecided ? now : null, runId: null };
    if (ruled.decision !== "fired") return { ...ruled, ...facts };
    const start = host.startOf(runOf(host.planOf(by), by, ruled, now));
    starts.push(start);
    return { ...ruled, ...facts, runId: start.start.runId };
  };
  const firings = [
    ...ruling.firings.map((ruled) => recorded(ruled, row)),
    ...(edit.firings ?? []).map((ruled) => recorded(ruled, { ...after, generation })),
  ];
  // A new timetable begins now: its past was never anybody's instants.
  const isNewTimetable = isNew && !hasSameTimes(plan, host.planOf(after));
  const cursor = isNewTimetable ? Math.max(ruling.cursor, now) : ruling.cursor;
  const { workflow, version, source, pausedAt, note } = after;
  const nextAt = pausedAt === null ? nextDue(host.planOf(after).timetable, cursor) : null;
  const waiting = countWaiting(open, firings);
  const change: ScheduleChange = {
    scheduleId: row.id,
    revision: row.revision,
    token: host.newToken(),
    row: {
      ...{ workflow, version, definition: after.definition, source, generation, pausedAt, note },
      ...{ cursor, nextAt, waiting, updatedAt: edit.row === undefined ? row.updatedAt : now },
    },
    firings,
    closed: ruling.ended,
    starts,
    tells: ruling.cancels.map((runId) => cancelOf(row.id, runId, cursor, now)),
    keep: { decidedAfter: now - FIRINGS_KEPT.ms, count: FIRINGS_KEPT.count },
  };
  return { change, firings };
}

function runOf({ definition }: Plan, row: ScheduleRow, { at, lane }: RuledFiring, now: number): RunOfSchedule {
  const { id, workflow, version } = row;
  const instant = iso(at);
  return {
    workflow,
    version,
    definition,
    idempotencyKey: `schedule/${id}/${instant}${FIRE_KEYS[lane]}`,
    trigger: { kind: "schedule", source: id, id: instant },
    createdAt: now,
  };
}

function hasSameTimes(a: Plan, b: Plan): boolean {
  return JSON.stringify(a.definition.spec) === JSON.stringify(b.definition.spec);
}

function countWaiting(open: ScheduleView["open"], firings: readonly FiringRow[]): number {
  const idOf = ({ at, lane }: Pick<FiringRow, "at" | "lane">) => `${at} ${lane}`;
  const waiting = new Set(open.filter(({ decision }) => decision === "waiting").map(idOf));
  for (const firing of firings) {
    if (firing.decision === "waiting") waiting.add(idOf(firing));
    else waiting.delete(idOf(firing));
  }
  return waiting.size;
}

function cancelOf(scheduleId: string, runId: string, cursor: number, at: number): InboxMessage {
  const instant = iso(cursor);
  const data = JSON.stringify({ reason: `schedule ${scheduleId} starts the run of ${instant}` });
  return { runId, kind: "cancel", token: `schedule/${scheduleId}/${instant}/${runId}`, data, at };
}

/** Whether the row is as the change would leave it, and nothing else is to be done. */
function isNothing(change: ScheduleChange, row: ScheduleRow): boolean {
  const isSame = (Object.keys(change.row) as (keyof ScheduleChange["row"])[]).every(
    (name) => name === "updatedAt" || change.row[name] === row[name],
  );
  return isSame && change.firings.length + change.tells.length === 0;
}
