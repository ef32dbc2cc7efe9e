/** Options that are numbers: checked where they come in, because what they break is far away. */

import { DefinitionError } from "./errors.ts";
import { shownValue } from "./text.ts";

/** The least and the greatest whole number that an option takes. */
export type Range = readonly [min: number, max: number];

/**
 * `defaults`, with what of them is given in its place.
 *
 * @throws DefinitionError `OPTION_INVALID`
 */
export function checkNumbers<Name extends string>(
  what: string,
  given: Readonly<Partial<Record<Name, number>>>,
  defaults: Readonly<Record<Name, number>>,
  ranges: Readonly<Record<Name, Range>>,
): Record<Name, number> {
  const checked: Record<Name, number> = { ...defaults };
  for (const name of Object.keys(ranges) as Name[]) {
    const found = given[name];
    if (found !== undefined) checked[name] = checkNumber(`${what}.${name}`, found, ranges[name]);
  }
  return checked;
}

function checkNumber(what: string, found: unknown, [min, max]: Range): number {
  if (Number.isSafeInteger(found) && (found as number) >= min && (found as number) <= max) return found as number;
  throw invalidOption(what, `a whole number from ${min} to ${max}`, found);
}

/** The error of an option that is not as it must be. */
export function invalidOption(what: string, expected: string, found: unknown): DefinitionError {
  return new DefinitionError("OPTION_INVALID", `expected ${what} to be ${expected}, but found ${shownValue(found)}`, {
    what,
  });
}

/**
 * What takes options is given some.
 *
 * @throws DefinitionError `OPTION_INVALID`
 */
export function checkOptions(what: string, options: unknown): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw invalidOption(`the options of ${what}`, "an object", options);
}
