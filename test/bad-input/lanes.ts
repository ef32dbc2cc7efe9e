/** All lanes of bad input, by name. */
import { commandLine } from "./command-line.ts";
import { definitions } from "./definitions.ts";
import { eventRows } from "./event-rows.ts";
import { http } from "./http.ts";
import type { Property } from "./lane.ts";
import { options } from "./options.ts";
import { storedValues } from "./stored-values.ts";
import { testingKit } from "./testing-kit.ts";
import { webhooks } from "./webhooks.ts";

const LANES: Readonly<Record<string, readonly Property[]>> = {
  "HTTP requests": http,
  webhooks,
  values: storedValues,
  options,
  definitions,
  "the command line": commandLine,
  "rows of events": eventRows,
  "the testing kit": testingKit,
};

/** The lanes with `factor` times as many inputs: 1 in `npm test`, more where time is no matter. */
export function lanes(factor = 1): Readonly<Record<string, readonly Property[]>> {
  const longer = (properties: readonly Property[]) =>
    properties.map((property) => ({ ...property, runs: Math.ceil(property.runs * factor) }));
  return Object.fromEntries(Object.entries(LANES).map(([name, properties]) => [name, longer(properties)]));
}
