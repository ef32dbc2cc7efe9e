/** What a map is asked to do: its options with their defaults, checked. */
import * as errors from "../kernel/errors.ts";
import { checkNumbers, invalidOption, type Range } from "../kernel/options.ts";
import { checkName } from "../kernel/text.ts";
import type { MapOptions, Tolerance, ToleratingMapOptions } from "./ctx.ts";

/** The most items of one map. With a step each they take four fifths of a history of the default length. */
const ITEMS_MAX = 10_000;

/** So few that a crash makes little begin again, and so many that items which wait do not hold up each other. */
const DEFAULTS = { concurrency: 100 };

const RANGES: Readonly<Record<keyof typeof DEFAULTS, Range>> = { concurrency: [1, ITEMS_MAX] };

/** Options with every default filled in. */
export interface MapPlan {
  readonly items: readonly unknown[];
  readonly concurrency: number;
  /** How many items may fail; null: none, and the first that does is what the map fails with. */
  readonly failuresMax: number | null;
}

/** @throws DefinitionError `NAME_INVALID`, `MAP_INVALID`, `OPTION_INVALID`; LimitError `MAP_ITEMS_LIMIT` */
export function mapPlan(
  name: string,
  items: unknown,
  body: unknown,
  options: MapOptions | ToleratingMapOptions = {},
): MapPlan {
  const map = `map ${JSON.stringify(checkName("the name of a call", name))}`;
  if (!Array.isArray(items)) throw invalid(`the items of ${map} to be an array`, items);
  if (typeof body !== "function") throw invalid(`what ${map} does with an item to be a function`, body);
  if (typeof options !== "object" || options === null) throw invalid(`the options of ${map} to be an object`, options);
  if (items.length > ITEMS_MAX) throw tooMany(map, items.length);
  const { concurrency } = checkNumbers(map, options, DEFAULTS, RANGES);
  const tolerate = "tolerate" in options ? options.tolerate : undefined;
  const failuresMax = tolerate === undefined ? null : tolerated(map, tolerate, items.length);
  // A copy: the code may change its list while items are under way.
  return { items: [...items], concurrency, failuresMax };
}

function invalid(expected: string, found: unknown): errors.DefinitionError {
  return new errors.DefinitionError(
    "MAP_INVALID",
    `expected ${expected}, but found ${found === null ? "null" : typeof found}`,
  );
}

function tooMany(map: string, found: number): errors.LimitError {
  const message =
    `expected ${map} to have at most ${ITEMS_MAX} items, but found ${found}; ` +
    "map over parts of the list, each of which maps over its own items";
  return new errors.LimitError("MAP_ITEMS_LIMIT", message, { max: ITEMS_MAX, found });
}

function tolerated(map: string, tolerate: Tolerance, items: number): number {
  if (tolerate === "all") return items;
  if (typeof tolerate === "number" && Number.isSafeInteger(tolerate) && tolerate >= 0) return tolerate;
  const [, digits] = /^(\d{1,3})%$/.exec(String(tolerate)) ?? [];
  const percent = Number(digits);
  if (typeof tolerate === "string" && percent <= 100) return Math.floor((items * percent) / 100);
  const expected = 'a whole number of items, a whole percentage such as "50%", or "all"';
  throw invalidOption(`${map}.tolerate`, expected, tolerate);
}
