/** The schedules of a simulation: they end with it, and what they are to do in it is known beforehand. */
import { formatDuration } from "../kernel/duration.ts";
import { isSchedule, type ScheduleDefinition, type ScheduleRules } from "../scheduler/definition.ts";
import type { ScheduleSpec } from "../scheduler/spec.ts";
import { simulationInvalid } from "./invalid-option.ts";
import { STARTS_AT } from "./simulation.ts";

export interface Timetables {
  /** As though each had an end. */
  readonly definitions: readonly ScheduleDefinition[];
  /** Every instant of each, milliseconds after the beginning. */
  readonly instants: readonly number[];
}

/** What a schedule's options have beside its spec. */
const RULES: ReadonlySet<string> = new Set<keyof ScheduleRules | "version" | "input">([
  ...(["overlap", "catchUp", "tags", "deadline", "version", "input"] as const),
]);

/** The most instants of one simulation. */
const INSTANTS_MAX = 1_000;

/** @throws DefinitionError `SIMULATION_INVALID`, `SCHEDULE_INVALID` */
export function timetablesOf(schedules: unknown, lastsMs: number): Timetables {
  if (!Array.isArray(schedules) || !schedules.every(isSchedule))
    throw simulationInvalid("schedules", "a list of what `schedule(...)` returned", schedules);
  const instants = schedules.flatMap((definition) => instantsOf(definition, lastsMs));
  if (instants.length > INSTANTS_MAX) {
    const expected = `so short that schedules have no more than ${INSTANTS_MAX} instants in it`;
    throw simulationInvalid("lasts", expected, formatDuration(lastsMs));
  }
  return { definitions: schedules.map((definition) => ended(definition, lastsMs)), instants };
}

function instantsOf(definition: ScheduleDefinition, lastsMs: number): number[] {
  const { id, times } = definition;
  const from = STARTS_AT + 1;
  const instants = times.within(times.parse(specOf(definition)), from, from + lastsMs, INSTANTS_MAX + 1);
  if (instants.length > 0) return instants.map((at) => at - STARTS_AT);
  throw simulationInvalid("lasts", `so long that schedule "${id}" has an instant in it`, formatDuration(lastsMs));
}

/** Its last instant is not after the end. */
function ended(definition: ScheduleDefinition, lastsMs: number): ScheduleDefinition {
  const { options, times } = definition;
  const { untilAt } = times.parse(specOf(definition));
  const until = new Date(Math.min(untilAt, STARTS_AT + lastsMs + 1)).toISOString();
  return { ...definition, options: { ...options, until } };
}

/** Without what is no matter of time. */
function specOf({ options }: ScheduleDefinition): ScheduleSpec {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !RULES.has(name)));
}
