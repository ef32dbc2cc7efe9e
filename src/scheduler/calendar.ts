/** Calendars: the fields of a pattern by name. */

import type { CronFields } from "./cron.ts";
import { CRON_FIELDS, type CronField, type CronItem, invalidCron, readCronField } from "./cron-fields.ts";
import type { CalendarField } from "./spec.ts";

/** What a field that is left out means. */
export type Absent = "start" | "any";

const TIME_FIELDS: ReadonlySet<string> = new Set(["second", "minute", "hour"]);

/**
 * Reads a calendar. With `start`, times that are left out are 0; with `any`, all that is left out is any.
 *
 * @throws DefinitionError `SCHEDULE_INVALID`
 */
export function readCalendar(field: string, calendar: unknown, absent: Absent): CronFields {
  if (typeof calendar !== "object" || calendar === null || Array.isArray(calendar)) {
    const text = Array.isArray(calendar) ? "a list" : calendar === null ? "null" : typeof calendar;
    throw invalidCron({ field, text, position: 0 }, "expected a calendar", "write it like { dayOfMonth: 1, hour: 9 }");
  }
  const given = new Map<string, unknown>(Object.entries(calendar).filter(([, value]) => value !== undefined));
  const names = CRON_FIELDS.map(({ name }) => name);
  const stranger = [...given.keys()].find((name) => !names.some((known) => known === name));
  if (stranger !== undefined || given.size === 0) {
    const found = stranger === undefined ? "the calendar is empty" : `${JSON.stringify(stranger)} is no field`;
    throw invalidCron({ field, text: stranger ?? "{}", position: 0 }, found, `the fields are ${names.join(", ")}`);
  }
  const items = CRON_FIELDS.map((known): CronItem[] => {
    const value = given.get(known.name);
    if (value !== undefined) return readField(`${field}.${known.name}`, known, value);
    return absent === "start" && TIME_FIELDS.has(known.name)
      ? [{ kind: "range", from: 0, to: 0, step: 1 }]
      : [{ kind: "any", step: 1 }];
  });
  return { items, bothDays: true };
}

function readField(field: string, known: CronField, value: unknown): CronItem[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isText = (part: unknown): part is CalendarField => typeof part === "number" || typeof part === "string";
  if (values.length === 0 || !values.every(isText)) {
    const text = values.length === 0 ? "an empty list" : typeof values.find((part) => !isText(part));
    throw invalidCron({ field, text, position: 0 }, "expected a number, a text or a list of them", 'such as "1-5"');
  }
  const text = values.map(String).join(",");
  return readCronField(known, text, { field, text, position: 0 });
}
