import { DefinitionError } from "./errors.ts";

/**
 * A length of time: a number of milliseconds, a text such as `"1h30m"`, `"250ms"`, `"2d"`, or ISO 8601 such as
 * `"PT1H30M"`, `"P2DT12H"`, `"P1W"`. Units of the short form: `ms s m h d w`, each at most once, largest first.
 */
export type Duration = number | string;

/** The longest duration that is accepted: 100 years of 365 days. */
export const DURATION_MS_MAX = 100 * 365 * 86_400_000;

const UNIT_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
type Unit = keyof typeof UNIT_MS;
const UNITS = Object.keys(UNIT_MS) as Unit[];

/**
 * Milliseconds in `duration`, a whole number.
 *
 * @throws DefinitionError `DURATION_INVALID`, naming the position, for anything else than a {@link Duration}.
 * @example parseDuration("1h30m") // 5400000
 */
export function parseDuration(duration: Duration): number {
  if (typeof duration === "number") return checkRange(duration, String(duration));
  if (typeof duration !== "string") throw invalid(describe(duration), 0, `found ${describe(duration)}`);
  const text = duration.trim();
  if (text === "") throw invalid(duration, 0, "found an empty text");
  return checkRange(/^[Pp]/.test(text) ? parseIso(text) : parseShort(text), text);
}

function parseShort(text: string): number {
  let total = 0;
  let offset = 0;
  let previous = -1;
  while (offset < text.length) {
    const rest = text.slice(offset);
    const match = /^(\d+(?:\.\d+)?)\s*(ms|[smhdw])?\s*/i.exec(rest);
    if (!match) throw invalid(text, offset, `found ${JSON.stringify(rest[0])} where a number should start`);
    const [whole, amount = "", unitText] = match;
    if (unitText === undefined) {
      throw invalid(text, offset + amount.length, `the number ${amount} has no unit`);
    }
    const rank = UNITS.indexOf(unitText.toLowerCase() as Unit);
    if (rank <= previous) throw invalid(text, offset, "units must go from large to small, each once");
    previous = rank;
    total += Number(amount) * UNIT_MS[UNITS[rank] as Unit];
    offset += whole.length;
  }
  return total;
}

const ISO =
  /^P(?:(\d+(?:[.,]\d+)?)W)?(?:(\d+(?:[.,]\d+)?)D)?(?:T(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?(?:(\d+(?:[.,]\d+)?)S)?)?$/i;

function parseIso(text: string): number {
  const parts = ISO.exec(text)?.slice(1) ?? [];
  if (parts.every((part) => part === undefined) || /T$/i.test(text)) {
    const calendar = /^P[^T]*\d[YM]/i.exec(text);
    const hint = calendar
      ? "years and months have no fixed length; use weeks, days or hours"
      : "the form is P[nW][nD][T[nH][nM][nS]]";
    throw invalid(text, calendar ? calendar[0].length - 1 : 0, hint);
  }
  const unitMs = [UNIT_MS.w, UNIT_MS.d, UNIT_MS.h, UNIT_MS.m, UNIT_MS.s];
  return parts.reduce(
    (sum, part, i) => sum + (part === undefined ? 0 : Number(part.replace(",", ".")) * (unitMs[i] as number)),
    0,
  );
}

function checkRange(ms: number, text: string): number {
  if (!Number.isFinite(ms) || ms < 0) throw invalid(text, 0, "a duration is a finite number, 0 or more");
  if (ms > DURATION_MS_MAX) throw invalid(text, 0, `the longest duration is ${formatDuration(DURATION_MS_MAX)}`);
  // -0 would be another value in the log.
  return Math.abs(Math.round(ms));
}

function invalid(text: string, offset: number, found: string): DefinitionError {
  return new DefinitionError(
    "DURATION_INVALID",
    `expected a duration such as 1500, "1h30m" or "PT1H30M", but in ${JSON.stringify(text)} at character ${offset + 1}: ${found}`,
    { text, offset },
  );
}

function describe(value: unknown): string {
  return value === null ? "null" : typeof value;
}

/**
 * `ms` in the short form, largest unit first.
 *
 * @example formatDuration(5_400_000) // "1h30m"
 */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  if (rest <= 0) return "0ms";
  let text = "";
  for (const unit of UNITS) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNIT_MS[unit];
  }
  return text;
}
