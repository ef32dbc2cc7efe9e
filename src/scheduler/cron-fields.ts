/** The fields of a cron pattern: what each may hold, read with the place of every mistake. */
import { DefinitionError } from "../kernel/errors.ts";

export interface CronField {
  readonly name: "second" | "minute" | "hour" | "dayOfMonth" | "month" | "dayOfWeek" | "year";
  /** As it is called in messages. */
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** The fields of a pattern of seven, in order. */
export const CRON_FIELDS: readonly CronField[] = [
  { name: "second", title: "seconds", min: 0, max: 59, names: [] },
  { name: "minute", title: "minutes", min: 0, max: 59, names: [] },
  { name: "hour", title: "hours", min: 0, max: 23, names: [] },
  { name: "dayOfMonth", title: "day of month", min: 1, max: 31, names: [] },
  { name: "month", title: "month", min: 1, max: 12, names: MONTHS },
  { name: "dayOfWeek", title: "day of week", min: 0, max: 7, names: DAYS },
  { name: "year", title: "year", min: 1970, max: 9999, names: [] },
];

/** One part of a field's list. */
export type CronItem =
  | { readonly kind: "any"; readonly step: number }
  | { readonly kind: "range"; readonly from: number; readonly to: number; readonly step: number }
  /** The last day, the last weekday, the weekday next to a day. */
  | { readonly kind: "lastDay" }
  | { readonly kind: "lastWeekday" }
  | { readonly kind: "nearestWeekday"; readonly day: number }
  /** The n-th, or the last, of a day of the week in the month. */
  | { readonly kind: "nth"; readonly day: number; readonly n: number | "L" };

/** Where a text stands, for messages. */
export interface Place {
  /** The field of the spec, such as `cron` or `calendar.hour`. */
  readonly field: string;
  /** The whole text. */
  readonly text: string;
  /** Where in it what is read begins. */
  readonly position: number;
}

/** Reads one field. @throws DefinitionError `SCHEDULE_INVALID` */
export function readCronField(field: CronField, text: string, place: Place): CronItem[] {
  if (text === "?") {
    if (field.name === "dayOfMonth" || field.name === "dayOfWeek") return [{ kind: "any", step: 1 }];
    throw invalidCron(place, `"?" means any day and stands only for a day of month or of week`, 'write "*"');
  }
  const parts = text.split(",");
  let position = place.position;
  return parts.map((part) => {
    const item = readItem(field, part, { ...place, position });
    const isAlone = item.kind === "lastWeekday" || item.kind === "nearestWeekday";
    if (isAlone && parts.length > 1) {
      throw invalidCron({ ...place, position }, `${part} cannot be part of a list`, "give each a pattern of its own");
    }
    position += part.length + 1;
    return item;
  });
}

function readItem(field: CronField, part: string, place: Place): CronItem {
  if (part === "") throw invalidCron(place, `a value of the ${field.title} is missing`, "take the comma away");
  const special = readSpecial(field, part, place);
  if (special !== null) return special;
  const slash = part.indexOf("/");
  const base = slash === -1 ? part : part.slice(0, slash);
  const step = slash === -1 ? 1 : readStep(field, part.slice(slash + 1), after(place, slash + 1));
  if (base === "*") return { kind: "any", step };
  const dash = base.indexOf("-");
  if (dash === -1) {
    if (slash !== -1) {
      const hint = base === "" ? `"*/${step}"` : `"${base}-${lastOf(field)}/${step}"`;
      throw invalidCron(place, `a step needs "*" or a range before it`, `write ${hint}`);
    }
    const value = readValue(field, base, place);
    return { kind: "range", from: value, to: value, step: 1 };
  }
  const from = readValue(field, base.slice(0, dash), place);
  const last = base.slice(dash + 1);
  const value = readValue(field, last, after(place, dash + 1));
  // A week may end with its Sunday.
  const to = field.name === "dayOfWeek" && value === 0 && from > 0 && !/\d/.test(last) ? 7 : value;
  if (from > to) {
    const hint = `write "${from}-${lastOf(field)},${field.min}-${to}"`;
    throw invalidCron(place, `the range ${base} goes backwards`, hint);
  }
  return { kind: "range", from, to, step };
}

/** A range of days of the week ends at 6 in hints: 7 is Sunday again. */
function lastOf(field: CronField): number {
  return field.name === "dayOfWeek" ? 6 : field.max;
}

function readSpecial(field: CronField, part: string, place: Place): CronItem | null {
  if (field.name === "dayOfMonth") {
    if (/^L$/i.test(part)) return { kind: "lastDay" };
    if (/^LW$/i.test(part)) return { kind: "lastWeekday" };
    if (/^L/i.test(part)) throw invalidCron(place, `${part} is not known`, 'write "L", the last day, or "LW"');
    const nearest = /^(.*)W$/i.exec(part)?.[1];
    if (nearest === undefined) return null;
    if (/\D/.test(nearest)) throw invalidCron(place, "W stands behind one day", 'write it like "15W"');
    return { kind: "nearestWeekday", day: readValue(field, nearest, place) };
  }
  if (field.name !== "dayOfWeek") return null;
  const hash = part.indexOf("#");
  const isLast = /[0-9]L$|[a-z]{3}L$/i.test(part) && hash === -1;
  if (hash === -1 && !isLast) {
    if (/^L$/i.test(part)) throw invalidCron(place, "L alone names no day of the week", 'write "FRI#L" or "6"');
    return null;
  }
  const dayText = isLast ? part.slice(0, -1) : part.slice(0, hash);
  if (/[-*/]/.test(dayText)) throw invalidCron(place, "# and L stand behind one day", 'write it like "MON#2"');
  const day = readValue(field, dayText, place) % 7;
  const n = isLast ? "L" : part.slice(hash + 1).toUpperCase();
  if (n === "L") return { kind: "nth", day, n };
  if (!/^[1-5]$/.test(n)) throw invalidCron(after(place, hash + 1), "expected 1 to 5, or L", 'write it like "MON#2"');
  return { kind: "nth", day, n: Number(n) };
}

function readStep(field: CronField, text: string, place: Place): number {
  const size = field.max - field.min + (field.name === "dayOfWeek" ? 0 : 1);
  const step = /^\d+$/.test(text) ? Number(text) : 0;
  if (step >= 1 && step <= size) return step;
  throw invalidCron(place, `expected a step from 1 to ${size}, but found ${quoted(text)}`, 'write it like "*/5"');
}

function readValue(field: CronField, text: string, place: Place): number {
  const named = field.names.indexOf(text.toUpperCase());
  if (named !== -1) return named + field.min;
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= field.min && value <= field.max) return value;
  const names = field.names.length === 0 ? "" : `, or ${field.names[0]} to ${field.names.at(-1)}`;
  throw invalidCron(
    place,
    `expected the ${field.title} to be ${field.min} to ${field.max}${names}, but found ${quoted(text)}`,
    hintOf(field, text),
  );
}

function hintOf(field: CronField, text: string): string {
  if (field.name === "hour" && text === "24") return 'midnight is "0"';
  if (text === "60") return 'the full minute or hour is "0"';
  if (/^[a-z]{4,}$/i.test(text)) return `names have three letters, such as ${field.names[1] ?? "in JAN or MON"}`;
  return "see the fields of a pattern in docs/SCHEDULES.md";
}

function after(place: Place, by: number): Place {
  return { ...place, position: place.position + by };
}

function quoted(text: string): string {
  return text === "" ? "nothing" : JSON.stringify(text);
}

/** The error of a pattern, with its place. */
export function invalidCron(place: Place, found: string, hint: string): DefinitionError {
  const { field, text, position } = place;
  return new DefinitionError(
    "SCHEDULE_INVALID",
    `${field} is wrong: in ${JSON.stringify(text)} at character ${position + 1}: ${found}; ${hint}`,
    { field, text, position, hint },
  );
}
