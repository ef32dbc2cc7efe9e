/** Which bodies have run in a test engine, mocked or not, in the order in which they began. */
import type { StepContext } from "../ctx/step-options.ts";

/** One run of a step's body, or of the mock in its place. */
export interface StepCall {
  readonly runId: string;
  readonly workflow: string;
  /** The step's key. */
  readonly key: string;
  /** From 1. */
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** When it began, milliseconds since the epoch. */
  readonly at: number;
  readonly isMocked: boolean;
  /** What it came to; null: it runs, or its process died in it. */
  readonly end: StepCallEnd | null;
}

export type StepCallEnd =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown };

export class Calls {
  readonly #calls: { -readonly [Name in keyof StepCall]: StepCall[Name] }[] = [];

  /** Runs a body, and keeps what it came to. */
  async run(
    { run, key, attempt, idempotencyKey }: StepContext,
    at: number,
    isMocked: boolean,
    body: () => unknown,
  ): Promise<unknown> {
    const call = {
      runId: run.id,
      workflow: run.workflow,
      key,
      attempt,
      idempotencyKey,
      at,
      isMocked,
      end: null as StepCallEnd | null,
    };
    this.#calls.push(call);
    try {
      const value = await body();
      call.end = { kind: "value", value };
      return value;
    } catch (error) {
      call.end = { kind: "error", error };
      throw error;
    }
  }

  /** As they are now: what still runs is told as it is. */
  list(matches: (key: string) => boolean): StepCall[] {
    return this.#calls.filter(({ key }) => matches(key)).map((call) => ({ ...call }));
  }
}
