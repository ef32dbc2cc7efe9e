/** What the lanes of bad input share: a seed, how many inputs each property is given, and what counts as a typed error. */
import assert from "node:assert/strict";
import { isVarveError, type VarveError } from "../../src/kernel/errors.ts";

/** Decides every input. fast-check prints it, with the smallest input that fails. */
export const SEED = 20_261_107;

/** What fast-check is told. */
export interface Effort {
  readonly seed: number;
  readonly numRuns: number;
}

/** A fact that holds for any input of a kind. */
export interface Property {
  readonly title: string;
  /** How many inputs it is given. */
  readonly runs: number;
  readonly holds: (effort: Effort) => Promise<void>;
}

/** The error that `act` fails with, which must be one of Varve's; null: it does not fail. */
export async function typedErrorOf(act: () => unknown): Promise<VarveError | null> {
  try {
    await act();
  } catch (error) {
    if (isVarveError(error)) {
      assert.match(error.code, /^[A-Z][A-Z0-9_]+$/);
      assert.ok(error.message.length > 10, "the message says something");
      return error;
    }
    throw error;
  }
  return null;
}
