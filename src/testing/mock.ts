/** What takes the place of a step's body in a test, and what such things are made of. */
import type { StepContext } from "../ctx/step-options.ts";
import type { Duration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { testInvalid } from "./invalid-option.ts";

/**
 * Runs in place of a step's body. What it returns or throws is what the attempt comes to. It is given what the body is
 * given, and what it can do beside that.
 */
export type StepMock<Env = unknown> = (step: StepContext<Env>, instead: MockedBody) => unknown;

/** The body that a mock stands for, and ways to wait in virtual time. */
export interface MockedBody {
  /** Runs the step's own body. */
  body(): Promise<unknown>;
  /**
   * Waits in virtual time.
   *
   * @throws DefinitionError `DURATION_INVALID`
   */
  wait(duration: Duration): Promise<void>;
  /** Waits until the attempt is aborted, as by its time-out, and rejects with the reason. */
  hang(): Promise<never>;
  /** Says that it goes on to do what takes real time, such as a request to a local server: then virtual time waits for it. */
  real(): void;
}

/**
 * A mock that returns `value`.
 *
 * @example steps: { charge: returns({ reference: "ch_1" }) }
 */
export function returns(value: unknown): StepMock {
  return () => value;
}

/**
 * A mock of which the first `times` attempts throw `error`; then `otherwise` is asked, by default the step's own body.
 *
 * @param times a whole number from 1, or Infinity
 * @throws DefinitionError `TEST_INVALID`
 * @example steps: { charge: fails(2, new Error("503"), returns({ reference: "ch_1" })) }
 */
export function fails<Env = unknown>(times: number, error: unknown, otherwise: StepMock<Env> = ownBody): StepMock<Env> {
  if (times !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(times) && times >= 1)) {
    throw testInvalid("times of fails(times, error)", "a whole number from 1, or Infinity", times);
  }
  return (step, instead) => {
    if (step.attempt <= times) throw error;
    return otherwise(step, instead);
  };
}

/**
 * A mock that takes so much virtual time, and then does what `otherwise` does, by default the step's own body.
 *
 * @example steps: { "build[*]": takes("20m", returns("ok")) }
 */
export function takes<Env = unknown>(duration: Duration, otherwise: StepMock<Env> = ownBody): StepMock<Env> {
  return async (step, instead) => {
    await instead.wait(duration);
    return await otherwise(step, instead);
  };
}

/**
 * A mock that never ends by itself: for time-outs, cancels and crashes in the middle of a body.
 *
 * @example steps: { charge: hangs() }
 */
export function hangs(): StepMock {
  return (_, { hang }) => hang();
}

/**
 * A mock that takes real time, which virtual time waits for. A step's own body needs none of this: it may.
 *
 * @example steps: { charge: realTime(({ signal }) => fetch(localServer, { signal }).then((answer) => answer.json())) }
 */
export function realTime<Env = unknown>(mock: StepMock<Env>): StepMock<Env> {
  return (step, instead) => {
    instead.real();
    return mock(step, instead);
  };
}

/** A mock whose attempts wait until the test ends them. Virtual time may pass meanwhile. */
export interface HeldStep<Value = unknown> extends StepMock {
  /** How many attempts wait. */
  readonly waiting: number;
  /**
   * Ends the attempt that has waited longest.
   *
   * @throws DefinitionError `TEST_NOT_HELD`: none waits
   */
  release(value: Value): void;
  /**
   * Ends it with an error.
   *
   * @throws DefinitionError `TEST_NOT_HELD`: none waits
   */
  fail(error: unknown): void;
}

/** What a mock is given, with what is no user's to call. */
export interface MockedBodyInProcess extends MockedBody {
  /** Calls `fn` when the body's process dies. What waits in it then waits for ever, as it does in life. */
  died(fn: () => void): void;
}

/** An attempt that waits. */
interface Held {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A mock that holds each attempt until the test releases it, or until it is aborted.
 *
 * @example
 * const charge = held<{ reference: string }>();
 * const t = await testEngine({ workflows: [fulfil], steps: { charge } });
 * const run = await t.start(fulfil, { id: "o-1" });
 * await t.advance("10m"); // the payment takes its time
 * charge.release({ reference: "ch_1" });
 * await run.result();
 */
export function held<Value = unknown>(): HeldStep<Value> {
  const attempts = new Set<Held>();
  const mock: StepMock = (_, instead) =>
    new Promise((resolve, reject) => {
      const attempt: Held = { resolve, reject };
      attempts.add(attempt);
      (instead as MockedBodyInProcess).died(() => attempts.delete(attempt));
      instead.hang().catch((reason: unknown) => {
        attempts.delete(attempt);
        reject(reason);
      });
    });
  const oldest = (): Held => {
    for (const attempt of attempts) {
      attempts.delete(attempt);
      return attempt;
    }
    throw new DefinitionError(
      "TEST_NOT_HELD",
      "expected an attempt that waits in this mock, but none does: has its body begun?",
    );
  };
  return Object.defineProperties(mock, {
    waiting: { get: () => attempts.size },
    release: { value: (value: Value) => oldest().resolve(value) },
    fail: { value: (error: unknown) => oldest().reject(error) },
  }) as HeldStep<Value>;
}

function ownBody(_: unknown, { body }: MockedBody): Promise<unknown> {
  return body();
}
