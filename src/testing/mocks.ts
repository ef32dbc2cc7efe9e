/**
 * The mocks of one test engine: which one stands for which step, and which stood for none.
 *
 * I1 Of several mocks that fit a key the one with the fewest stars counts, and of those the first.
 */
import { DefinitionError } from "../kernel/errors.ts";
import type { CallKind } from "../kernel/state.ts";
import { callText } from "../worker/divergence.ts";
import { testInvalid } from "./invalid-option.ts";
import type { StepMock } from "./mock.ts";
import { type StepPattern, shapeOf, stepPattern } from "./step-pattern.ts";

interface Mock {
  readonly pattern: StepPattern;
  readonly run: StepMock<never>;
  /** Whether the code has asked for a step that it stands for. */
  isUsed: boolean;
  /** A call of another kind that the code has made under its key. */
  misplaced: string | null;
}

/** So many keys of steps are named to whoever looks for the one that was meant. */
const KEYS_NAMED_MAX = 20;

export class Mocks {
  readonly #mocks: readonly Mock[];
  readonly #keys = new Set<string>();

  /** @throws DefinitionError `TEST_INVALID` */
  constructor(steps: unknown) {
    if (typeof steps !== "object" || steps === null || Array.isArray(steps)) {
      throw testInvalid("steps", "an object of mocks by the keys of steps", steps);
    }
    this.#mocks = Object.entries(steps)
      .map(([text, run]) => mockOf(text, run))
      .sort((a, b) => a.pattern.stars - b.pattern.stars);
  }

  /** The code has made a call. */
  asked(key: string, kind: CallKind): void {
    const isStep = kind === "step";
    if (isStep) this.#keys.add(key);
    for (const mock of this.#mocks) {
      if (!mock.pattern.matches(key)) continue;
      if (isStep) mock.isUsed = true;
      else mock.misplaced ??= callText(kind, key);
    }
  }

  /**
   * What stands for the step; null: nothing, its own body runs.
   *
   * @throws DefinitionError `TEST_MOCK_MISSING`: another index or occurrence of the step has a mock, and this one has none
   */
  of(key: string): StepMock<never> | null {
    const found = this.#mocks.find(({ pattern }) => pattern.matches(key));
    if (found !== undefined) return found.run;
    const sibling = this.#mocks.find(({ pattern }) => shapeOf(pattern.text) === shapeOf(key));
    if (sibling === undefined) return null;
    throw new DefinitionError(
      "TEST_MOCK_MISSING",
      `expected a mock for step "${key}", because "${sibling.pattern.text}" has one, but found none: a star stands for every ` +
        `index ("ship[*]") and every occurrence ("poll#*"); (step, { body }) => body() runs the step's own body`,
      { step: key, mocked: sibling.pattern.text },
    );
  }

  /** The keys of mocks that no step has had. */
  get unused(): readonly string[] {
    return this.#mocks.filter(({ isUsed }) => !isUsed).map(({ pattern }) => pattern.text);
  }

  /** @throws DefinitionError `TEST_MOCK_UNUSED` */
  checkUsed(): void {
    const unused = this.#mocks.filter(({ isUsed }) => !isUsed);
    if (unused.length === 0) return;
    const lines = unused.map(({ pattern, misplaced }) => `  "${pattern.text}": ${whyUnused(misplaced)}`);
    throw new DefinitionError(
      "TEST_MOCK_UNUSED",
      `expected each mock to stand for a step, but found\n${lines.join("\n")}\n${this.#keysText()}; ` +
        'mocks that some tests do not reach are allowed by unusedMocks: "allow"',
      { unused: unused.map(({ pattern }) => pattern.text) },
    );
  }

  #keysText(): string {
    const keys = [...this.#keys].map((key) => `"${key}"`);
    if (keys.length === 0) return "the code has come to no step";
    const more = keys.length > KEYS_NAMED_MAX ? ` and ${keys.length - KEYS_NAMED_MAX} more` : "";
    return `the steps were ${keys.slice(0, KEYS_NAMED_MAX).join(", ")}${more}`;
  }
}

function mockOf(text: string, run: unknown): Mock {
  const option = `steps[${JSON.stringify(text)}]`;
  if (typeof run !== "function") throw testInvalid(option, "a function, such as returns(value)", run);
  const pattern = stepPattern(`the key of ${option}`, text);
  return { pattern, run: run as StepMock<never>, isUsed: false, misplaced: null };
}

function whyUnused(misplaced: string | null): string {
  return misplaced === null ? "no step had this key" : `this was ${misplaced}, which has no body to mock`;
}
