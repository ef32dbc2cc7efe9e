/** Inputs that nobody should send: what each lane says of them holds. */
import { describe, it } from "vitest";
import { SEED } from "./lane.ts";
import { lanes } from "./lanes.ts";

describe.each(Object.entries(lanes()))(`%s (seed ${SEED})`, (_name, properties) => {
  it.each(properties)("$title: $runs inputs", async ({ runs, holds }) => {
    await holds({ seed: SEED, numRuns: runs });
  });
});
