/** Instants and times on a wall, as texts: ISO 8601, to the second or the millisecond. */

import { DefinitionError } from "../kernel/errors.ts";
import { shownValue } from "../kernel/text.ts";

/** A time on a wall, as if the wall's zone were UTC: milliseconds. */
export type Wall = number;

const FORM = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** What a text says: an instant, or what a wall shows. */
export type Moment = { readonly kind: "instant"; readonly at: number } | { readonly kind: "wall"; readonly wall: Wall };

/**
 * Reads an instant (`2027-01-01T00:00:00Z`), a time on the wall (`2027-01-01T09:00`) or a day (`2027-01-01`, its midnight).
 *
 * @throws DefinitionError `SCHEDULE_INVALID`
 */
export function parseMoment(field: string, text: unknown): Moment {
  const match = typeof text === "string" ? FORM.exec(text.trim()) : null;
  if (match === null) throw invalidMoment(field, text, "found another form");
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "0", zone] = match;
  const ms = Number(fraction.padEnd(3, "0"));
  const wall = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), ms);
  const isReal =
    new Date(wall).toISOString().slice(0, 10) === `${year}-${month}-${day}` &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60;
  if (!isReal || Number(year) < 1970) {
    throw invalidMoment(field, text, Number(year) < 1970 ? "the year is before 1970" : "there is no such time");
  }
  return zone === undefined ? { kind: "wall", wall } : { kind: "instant", at: wall - offsetOf(zone) };
}

function offsetOf(zone: string): number {
  if (zone.toUpperCase() === "Z") return 0;
  const sign = zone.startsWith("-") ? -1 : 1;
  const digits = zone.slice(1).replace(":", "");
  return sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))) * 60_000;
}

function invalidMoment(field: string, text: unknown, found: string): DefinitionError {
  return new DefinitionError(
    "SCHEDULE_INVALID",
    `expected ${field} to be an instant such as "2027-01-01T00:00:00Z", or a time on the zone's wall such as "2027-01-01T09:00", but in ${shownValue(text)}: ${found}`,
    { field, position: 0, hint: 'write it as "YYYY-MM-DDTHH:MM:SSZ"' },
  );
}
