import { DefinitionError } from "../kernel/errors.ts";

/** The error of an option of `testEngine`, or of an argument of its methods, that is not as it must be. */
export function testInvalid(option: string, expected: string, found: unknown): DefinitionError {
  const message = `expected ${option} to be ${expected}, but found ${foundText(found)}`;
  return new DefinitionError("TEST_INVALID", message, { option });
}

/** The error of an option of `simulate`, or of what its `setup` returns, that is not as it must be. */
export function simulationInvalid(option: string, expected: string, found: unknown): DefinitionError {
  return new DefinitionError(
    "SIMULATION_INVALID",
    `expected simulate's option ${option} to be ${expected}, but found ${foundText(found)}`,
    { option, found },
  );
}

/** What was found in place of what was expected, in short. */
export function foundText(found: unknown): string {
  if (typeof found === "string") return JSON.stringify(found);
  if (typeof found === "function") return "a function";
  if (Array.isArray(found)) return "a list";
  return typeof found === "object" && found !== null ? "an object" : String(found);
}
