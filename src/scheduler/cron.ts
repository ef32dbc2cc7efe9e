/** Cron patterns as texts: read, checked, and written anew as seven fields of numbers, which leave nothing to interpret. */
import { CRON_FIELDS, type CronField, type CronItem, invalidCron, type Place, readCronField } from "./cron-fields.ts";

/** The longest pattern, characters. */
const CRON_LENGTH_MAX = 1_000;

/** What a text under `cron` says. */
export type CronText =
  | { readonly kind: "pattern"; readonly timezone: string | null; readonly fields: CronFields }
  /** `@every 5m`: the duration and where it stands. */
  | { readonly kind: "every"; readonly duration: string; readonly position: number };

/** The seven fields of a pattern. */
export interface CronFields {
  readonly items: readonly (readonly CronItem[])[];
  /** Whether day of month and day of week must both fit; else one is enough. */
  readonly bothDays: boolean;
}

const NICKNAMES: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
]);

const DAY_OF_MONTH = 3;
const DAY_OF_WEEK = 5;

/** Reads a text under `cron`. @throws DefinitionError `SCHEDULE_INVALID` */
export function readCron(field: string, text: unknown): CronText {
  const whole: Place = { field, text: typeof text === "string" ? text : typeof text, position: 0 };
  if (typeof text !== "string") throw invalidCron(whole, "expected a text", 'write it like "0 3 * * *"');
  if (text.length > CRON_LENGTH_MAX) {
    const cut = { ...whole, text: `${text.slice(0, 40)}…`, position: CRON_LENGTH_MAX };
    throw invalidCron(cut, `a pattern has at most ${CRON_LENGTH_MAX} characters`, "use several patterns");
  }
  const prefix = /^\s*(?:CRON_TZ|TZ)=(\S*)\s+/.exec(text);
  const position = prefix?.[0].length ?? /^\s*/.exec(text)?.[0].length ?? 0;
  const body = text.slice(position).trimEnd();
  const timezone = prefix?.[1] ?? null;
  if (!body.startsWith("@")) {
    return { kind: "pattern", timezone, fields: readFields(body, { ...whole, position }) };
  }
  const every = /^@every(\s+)(\S.*)$/.exec(body);
  if (every !== null) {
    const [, space = "", duration = ""] = every;
    if (timezone !== null) throw invalidCron(whole, "elapsed time knows no zone", "take the zone away from @every");
    return { kind: "every", duration, position: position + "@every".length + space.length };
  }
  const nickname = NICKNAMES.get(body);
  if (nickname !== undefined) return { kind: "pattern", timezone, fields: readFields(nickname, whole) };
  throw invalidNickname(body, { ...whole, position });
}

function invalidNickname(body: string, place: Place): Error {
  const known = [...NICKNAMES.keys(), "@every 5m"].join(", ");
  if (body === "@reboot") {
    return invalidCron(place, "@reboot names no time", "start the run where your process starts");
  }
  const hint = NICKNAMES.has(body.toLowerCase())
    ? `write ${body.toLowerCase()}`
    : /^@\w+\s/.test(body)
      ? "a name such as @daily stands alone"
      : `write one of ${known}`;
  return invalidCron(place, `${JSON.stringify(body)} is not known`, hint);
}

function readFields(body: string, place: Place): CronFields {
  const found = [...body.matchAll(/\S+/g)].map((match) => ({ text: match[0], at: place.position + match.index }));
  if (found.length < 5 || found.length > 7) {
    const end = {
      ...place,
      position: place.position + (found.length > 7 ? (found[7]?.at ?? 0) - place.position : body.length),
    };
    throw invalidCron(
      end,
      `expected 5 fields (minute, hour, day of month, month, day of week), 6 (seconds first) or 7 (year last), but found ${found.length}`,
      'write it like "0 3 * * MON-FRI"',
    );
  }
  const texts = [
    ...(found.length === 5 ? [{ text: "0", at: 0 }] : []),
    ...found,
    ...(found.length === 7 ? [] : [{ text: "*", at: 0 }]),
  ];
  const isPlus = texts[DAY_OF_WEEK]?.text.startsWith("+") ?? false;
  const items = texts.map(({ text, at }, index) => {
    const plus = isPlus && index === DAY_OF_WEEK ? 1 : 0;
    return readCronField(CRON_FIELDS[index] as CronField, text.slice(plus), { ...place, position: at + plus });
  });
  return { items, bothDays: isPlus || startsWithAny(items[DAY_OF_MONTH]) || startsWithAny(items[DAY_OF_WEEK]) };
}

/** A day's field that begins with `*` restricts nothing by itself, so both must fit: the rule of Vixie's cron. */
function startsWithAny(items: readonly CronItem[] | undefined): boolean {
  return items?.[0]?.kind === "any";
}

/** Whether a pattern repeats through the day: it has a `*` in the minutes or the hours. */
export function isRepeating({ items }: CronFields): boolean {
  return [items[1], items[2]].some((field) => field?.some((item) => item.kind === "any"));
}

/** The fields as a pattern of seven fields of numbers. */
export function writePattern({ items, bothDays }: CronFields): string {
  return items
    .map((field, index) => {
      const text = field.map((item) => writeItem(item, CRON_FIELDS[index] as CronField)).join(",");
      return index === DAY_OF_WEEK && bothDays ? `+${text}` : text;
    })
    .join(" ");
}

function writeItem(item: CronItem, field: CronField): string {
  switch (item.kind) {
    case "any":
      return item.step === 1 ? "*" : `${field.min}-${field.name === "dayOfWeek" ? 6 : field.max}/${item.step}`;
    case "range":
      if (item.from === item.to) return String(item.from);
      return `${item.from}-${item.to}${item.step === 1 ? "" : `/${item.step}`}`;
    case "lastDay":
      return "L";
    case "lastWeekday":
      return "LW";
    case "nearestWeekday":
      return `${item.day}W`;
    case "nth":
      return item.n === "L" ? `${item.day}L` : `${item.day}#${item.n}`;
  }
}
