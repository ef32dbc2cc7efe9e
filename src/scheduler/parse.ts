/** Specs, checked once: every mistake is found here, with its place and what to write in its stead. */

import { type Duration, formatDuration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError, isVarveError } from "../kernel/errors.ts";
import { shownValue } from "../kernel/text.ts";
import { readCalendar } from "./calendar.ts";
import { type CronFields, isRepeating, readCron, writePattern } from "./cron.ts";
import { parseMoment } from "./instants.ts";
import { DST_POLICIES, type DstPolicy, type Excluded, type Schedule, type ScheduleSpec, type Source } from "./spec.ts";
import { DAY_MS, instantsOfWall, requireZone, type Zone } from "./zone.ts";

/** The least period of `every`: patterns too know nothing shorter than a second. */
const PERIOD_MS_MIN = 1_000;

/** The most patterns and calendars, instants, and exceptions of one schedule. */
export const SCHEDULE_LIMITS = { patterns: 100, instants: 1_000, exceptions: 1_000 } as const;

const FIELDS: ReadonlySet<string> = new Set<keyof ScheduleSpec>([
  ...(["cron", "every", "offset", "calendar", "at", "timezone", "dst"] as const),
  ...(["from", "until", "jitter", "spread", "except"] as const),
]);

/**
 * Reads a spec and checks all of it.
 *
 * @throws DefinitionError `SCHEDULE_INVALID`; `facts.field` names the field, `facts.position` the place in its text, from 0,
 *   and `facts.hint` what to write
 * @example parseSchedule({ cron: "30 2 * * *", timezone: "Europe/Berlin" })
 */
export function parseSchedule(spec: ScheduleSpec): Schedule {
  checkShape(spec);
  const zone = requireZone("timezone", spec.timezone ?? "UTC");
  const dst = readPolicy(spec.dst);
  const fromAt = spec.from === undefined ? Number.NEGATIVE_INFINITY : readBound("from", spec.from, zone);
  const untilAt = spec.until === undefined ? Number.POSITIVE_INFINITY : readBound("until", spec.until, zone);
  if (untilAt <= fromAt) throw invalidSpec("until", "it lies before from, or at it", "let until be later than from");
  return {
    spec,
    timezone: zone.name,
    dst,
    sources: readSources(spec, zone, dst),
    exceptions: readExceptions(spec),
    fromAt,
    untilAt,
    jitterMs: readDuration("jitter", spec.jitter ?? 0),
    spreadMs: readDuration("spread", spec.spread ?? 0),
  };
}

function checkShape(spec: unknown): asserts spec is ScheduleSpec {
  if (typeof spec !== "object" || spec === null || Array.isArray(spec)) {
    throw invalidSpec("the schedule", "expected an object", 'write it like { cron: "0 3 * * *" }');
  }
  const stranger = Object.keys(spec).find((name) => !FIELDS.has(name));
  if (stranger !== undefined) {
    throw invalidSpec(stranger, "there is no such field", `the fields are ${[...FIELDS].join(", ")}`);
  }
  const { cron, every, calendar, at, offset } = spec as ScheduleSpec;
  if (cron === undefined && every === undefined && calendar === undefined && at === undefined) {
    throw invalidSpec("the schedule", "it says no time", "give cron, every, calendar or at");
  }
  if (offset !== undefined && every === undefined) {
    throw invalidSpec("offset", "it moves the instants of every, which is not given", "give every too");
  }
}

function readPolicy(dst: unknown): DstPolicy {
  const policy = DST_POLICIES.find((known) => known === (dst ?? "shift"));
  if (policy !== undefined) return policy;
  throw invalidSpec("dst", `found ${shownValue(dst)}`, `write one of ${DST_POLICIES.join(", ")}`);
}

function readBound(field: string, text: unknown, zone: Zone): number {
  const moment = parseMoment(field, text);
  if (moment.kind === "instant") return moment.at;
  const found = instantsOfWall(zone, moment.wall);
  return found.kind === "fold" ? found.first : found.at;
}

function readSources(spec: ScheduleSpec, zone: Zone, dst: DstPolicy): Source[] {
  const sources: Source[] = [];
  for (const [field, text] of listed("cron", spec.cron, SCHEDULE_LIMITS.patterns)) {
    sources.push(cronSource(field, text, spec.timezone, zone));
  }
  if (spec.every !== undefined) sources.push(everySource("every", spec.every, spec.offset ?? 0));
  for (const [field, calendar] of listed("calendar", spec.calendar, SCHEDULE_LIMITS.patterns)) {
    const pattern = readCalendar(field, calendar, "start");
    sources.push(patternSource(JSON.stringify(calendar), pattern, zone.name));
  }
  const instants = listed("at", spec.at, SCHEDULE_LIMITS.instants).flatMap(([field, text]) =>
    instantsOf(field, text, zone, dst),
  );
  if (instants.length > 0) sources.push({ kind: "at", instants: [...new Set(instants)].sort((a, b) => a - b) });
  return sources;
}

function cronSource(field: string, text: unknown, timezone: string | undefined, zone: Zone): Source {
  const cron = readCron(field, text);
  if (cron.kind === "every") return everySource(field, cron.duration, 0, cron.position);
  if (cron.timezone === null) return patternSource(String(text), cron.fields, zone.name);
  if (timezone !== undefined && timezone !== cron.timezone) {
    throw invalidSpec(
      field,
      `the pattern says ${cron.timezone}, and timezone ${timezone}`,
      "say the zone once",
      String(text).indexOf("=") + 1,
    );
  }
  return patternSource(String(text), cron.fields, requireZone(field, cron.timezone).name);
}

function patternSource(text: string, fields: CronFields, timezone: string): Source {
  return { kind: "pattern", text, pattern: writePattern(fields), timezone, isRepeating: isRepeating(fields) };
}

function everySource(field: string, every: Duration, offset: Duration, position = 0): Source {
  const periodMs = readDuration(field, every, position);
  const offsetMs = readDuration("offset", offset);
  if (periodMs < PERIOD_MS_MIN) {
    throw invalidSpec(field, `${formatDuration(periodMs)} is shorter than a second`, 'write at least "1s"', position);
  }
  if (offsetMs >= periodMs) {
    const found = `${formatDuration(offsetMs)} is not shorter than every, ${formatDuration(periodMs)}`;
    throw invalidSpec("offset", found, `the same is "${formatDuration(offsetMs % periodMs)}"`);
  }
  return { kind: "every", periodMs, offsetMs };
}

function instantsOf(field: string, text: unknown, zone: Zone, dst: DstPolicy): number[] {
  const moment = parseMoment(field, text);
  if (moment.kind === "instant") return [moment.at];
  const found = instantsOfWall(zone, moment.wall);
  switch (found.kind) {
    case "once":
      return [found.at];
    case "gap":
      return dst === "shift" || dst === "once" ? [found.at] : [];
    case "fold":
      return dst === "both" ? [found.first, found.second] : [found.first];
  }
}

function readExceptions(spec: ScheduleSpec): Excluded[] {
  return listed("except", spec.except, SCHEDULE_LIMITS.exceptions).map(([field, exception]) => {
    if (typeof exception === "string") return dayOff(field, exception);
    const fields = readCalendar(field, exception, "any");
    const pattern = writePattern(fields);
    if (pattern === "* * * * * +* *") throw invalidSpec(field, "it excludes every instant", "name what falls out");
    return { kind: "pattern", pattern, grainMs: grainOf(fields) };
  });
}

function dayOff(field: string, text: string): Excluded {
  const moment = parseMoment(field, text);
  if (moment.kind === "instant" || !/^\s*[\d-]{10}\s*$/.test(text)) {
    throw invalidSpec(field, `found ${shownValue(text)}`, 'write a day such as "2026-12-25", or a calendar');
  }
  return { kind: "day", wallFrom: moment.wall, wallTo: moment.wall + DAY_MS };
}

/** For how long the wall surely gives the same answer, from a full second, minute, hour or day on. */
function grainOf({ items }: CronFields): number {
  const isAny = (index: number) => items[index]?.every((item) => item.kind === "any" && item.step === 1) ?? false;
  if (!isAny(0)) return 1_000;
  if (!isAny(1)) return 60_000;
  return isAny(2) ? DAY_MS : 3_600_000;
}

function readDuration(field: string, duration: unknown, position = 0): number {
  try {
    return parseDuration(duration as Duration);
  } catch (error) {
    if (!isVarveError(error)) throw error;
    const { offset = 0 } = error.facts as { readonly offset?: number };
    throw invalidSpec(field, error.message, 'write it like "15m" or "1h30m"', position + offset, error);
  }
}

/** The values of a field that takes one or a list, each with its name. */
function listed(name: string, value: unknown, max: number): (readonly [field: string, value: unknown])[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [[name, value]];
  if (value.length === 0) throw invalidSpec(name, "the list is empty", "leave the field out");
  if (value.length > max) throw invalidSpec(name, `the list has ${value.length} parts`, `give at most ${max}`);
  return value.map((part, i) => [`${name}[${i}]`, part] as const);
}

function invalidSpec(field: string, found: string, hint: string, position = 0, cause?: unknown): DefinitionError {
  return new DefinitionError(
    "SCHEDULE_INVALID",
    `${field} is wrong: ${found}; ${hint}`,
    { field, position, hint },
    ...(cause === undefined ? [] : [{ cause }]),
  );
}
