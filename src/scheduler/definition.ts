/** A schedule as it is defined in code, as it is stored, and as it is decided by. */
import type { Payload } from "../kernel/codec.ts";
import type { Duration } from "../kernel/duration.ts";
import type { Tags } from "../kernel/events.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import type { Timetable } from "./decide.ts";
import type { CatchUpOptions, CatchUpPolicy, Overlap, SchedulePolicy } from "./policy.ts";
import type { Schedule, ScheduleSpec, ScheduleTimes } from "./spec.ts";

/** Marks what `schedule` returned. Survives duplicated packages. */
export const SCHEDULE: unique symbol = Symbol.for("varve.schedule");

/** What a schedule does at its instants, and what it does not. */
export interface ScheduleRules {
  /** When a run of an earlier instant goes on. @default "skip" */
  readonly overlap?: Overlap;
  /** When an instant is seen too late. @default { policy: "last", window: "1d", grace: "1m" } */
  readonly catchUp?: CatchUpPolicy | CatchUpOptions;
  /** Labels of its runs. */
  readonly tags?: Tags;
  /** A run fails if it has not ended so long after its start. */
  readonly deadline?: Duration;
}

/** What a run is given: the same each time. `ctx.run.trigger` says for which instant it runs. */
export type ScheduleInput<Input> = undefined extends Input ? { readonly input?: Input } : { readonly input: Input };

/** A schedule in code: its instants are those of {@link ScheduleSpec}. */
export type ScheduleOptions<Input> = ScheduleSpec &
  ScheduleRules &
  ScheduleInput<Input> & {
    /** Names it in the log: 1 to 256 characters. */
    readonly id: string;
    readonly workflow: WorkflowRef<Input, unknown, never>;
    /** Which version its runs have. @default the latest that is registered where the instant is decided */
    readonly version?: string;
  };

/** A schedule that `schedule` returned. */
export interface ScheduleDefinition {
  readonly id: string;
  readonly workflow: WorkflowRef<never, unknown, never>;
  readonly options: ScheduleSpec & ScheduleRules & { readonly version?: string; readonly input?: unknown };
  readonly times: ScheduleTimes;
  readonly [SCHEDULE]: true;
}

/** Whether `value` is a schedule. */
export function isSchedule(value: unknown): value is ScheduleDefinition {
  return typeof value === "object" && value !== null && SCHEDULE in value;
}

/** What a schedule's row holds of its definition. */
export interface StoredDefinition {
  readonly spec: ScheduleSpec;
  readonly policy: SchedulePolicy;
  readonly input: Payload;
  readonly tags: Tags;
  readonly deadlineMs: number | null;
}

/** Its text: definitions that say the same have the same. */
export function definitionText({ spec, policy, input, tags, deadlineMs }: StoredDefinition): string {
  return JSON.stringify({ spec: sorted(spec), policy: sorted(policy), input, tags: sorted(tags), deadlineMs });
}

function sorted(object: object): object {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A definition that can be decided by. */
export interface Plan {
  readonly definition: StoredDefinition;
  readonly schedule: Schedule;
  readonly timetable: Timetable;
}

/** The plan of a row's definition. */
export function planOf(times: ScheduleTimes, id: string, text: string): Plan {
  const definition = JSON.parse(text) as StoredDefinition;
  const parsed = times.parse(definition.spec);
  const timetable = {
    next: (after: number) => times.next(parsed, after),
    due: (instant: number) => times.due(parsed, id, instant),
  };
  return { definition, schedule: parsed, timetable };
}
