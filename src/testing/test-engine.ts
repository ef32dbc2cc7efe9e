/** `testEngine`: a real engine over a log in memory and virtual time, for a user's tests. */
import { instantMs } from "../ctx/sleep.ts";
import type { Engine } from "../engine/api.ts";
import { engineClosed } from "../engine/results.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { StepCall } from "./calls.ts";
import { conditionInVain } from "./in-vain.ts";
import { testInvalid } from "./invalid-option.ts";
import { type InVain, MOVES_MAX } from "./pace.ts";
import type { LoggedLine } from "./process.ts";
import { stepPattern } from "./step-pattern.ts";
import { type TestEngineOptions, testPlan } from "./test-engine-options.ts";
import { Testbed } from "./testbed.ts";
import type { SimulatedWorld } from "./world.ts";

/**
 * An engine whose time is the test's. Everything an engine can do it does, over a log in memory, with one worker. A call
 * resolves when it is answered and what follows from it at this instant has happened; only what takes real time may be under
 * way. Time stands still but for `advance`, `advanceTo`, `until`, and `result()` of a run.
 *
 * A body that waits for something real, such as a timer or a request, keeps time from moving until it has ended, however long
 * that takes. One that waits in virtual time, by `world.wait`, `world.hang` or a mock's, does not.
 */
export interface TestEngine extends Engine {
  /** Virtual time, for what happens outside of the engine: `void t.world.wait("5m").then(() => run.cancel())`. */
  readonly world: SimulatedWorld;
  /** Virtual time, milliseconds since the epoch. */
  now(): number;
  /**
   * Lets so much time pass. Resolves when everything that became due has happened, bodies included. Time does not pass its
   * end meanwhile, whoever else waits.
   *
   * @throws DefinitionError `DURATION_INVALID`, `TEST_MOCK_PENDING`
   * @example await t.advance("2d");
   */
  advance(duration: Duration): Promise<void>;
  /**
   * Lets time pass to an instant.
   *
   * @throws DefinitionError `INSTANT_INVALID`; `TEST_INVALID` for one that has passed
   * @example await t.advanceTo("2026-03-29T01:00:00Z");
   */
  advanceTo(instant: Date | string | number): Promise<void>;
  /**
   * Lets time pass until `condition` holds, which is asked at every instant at which something happens.
   *
   * @throws TimeoutError `TEST_NOTHING_DUE`: it does not hold and nothing is due any more; `TEST_ENDLESS`
   * @example await t.until(() => t.calls("charge").length === 3);
   */
  until(condition: () => boolean | PromiseLike<boolean>): Promise<void>;
  /**
   * The process dies now, as by SIGKILL: what it had in memory is gone, and bodies that ran in it come to nothing. Another
   * takes over at the same instant. Handles and listeners stay good.
   *
   * @example
   * const run = await t.start(fulfil, { id: "o-1" }); // the mock of "charge" hangs
   * await t.crash();
   * expect(t.calls("charge").map(({ attempt }) => attempt)).toEqual([1, 2]);
   */
  crash(): Promise<void>;
  /** How often the process has died so far, by `crash` and by the option `crashes`. */
  readonly crashes: number;
  /**
   * The bodies that have run, mocked or not, in the order in which they began.
   *
   * @param step the key of a step, in which `[*]` and `#*` stand for any index and occurrence. @default all steps
   * @throws DefinitionError `TEST_INVALID`
   * @example expect(t.calls("charge")).toMatchObject([{ attempt: 1, end: { kind: "error" } }, { attempt: 2 }]);
   */
  calls(step?: string): readonly StepCall[];
  /** The keys of mocks that no step has had so far. */
  unusedMocks(): readonly string[];
  /** What was logged, by `ctx.log`, `step.log` and the engine. */
  lines(): readonly LoggedLine[];
  /**
   * Stops the engine, and looks back: was every mock used, and does every run that has ended go the same way when its
   * history is replayed?
   *
   * @throws DefinitionError `TEST_MOCK_UNUSED`, `TEST_MOCK_MISSING`; ReplayDivergedError
   * @example onTestFinished(() => t.close());
   */
  close(options?: { readonly deadline?: Duration }): Promise<void>;
}

/**
 * Makes an engine for one test. The engine is the real one; the log is in memory, time is virtual, and step bodies can be
 * mocked by the step's key. `result()` of a run lets time pass until the run has ended, so one that sleeps for 90 days takes
 * milliseconds; it rejects with `TEST_NOTHING_DUE` if the run waits for something that time does not bring, and with the
 * reason of a run that is `stuck`. The same test comes to the same each time: ids, retry jitter and order are the seed's.
 *
 * @throws DefinitionError `TEST_INVALID` for an option, `WORKFLOW_INVALID`, `INSTANT_INVALID`, `HOOK_INVALID`, `OPTION_INVALID`
 * @example
 * const t = await testEngine({ workflows: [fulfil], steps: { charge: fails(2, new Error("503"), returns("ch_1")) } });
 * const run = await t.start(fulfil, { id: "o-1", cents: 4200 });
 * const receipt = await run.result(); // retries, and two days of "cool-off"
 * expect(t.calls("charge")).toHaveLength(3);
 * expect(t.now()).toBeGreaterThan(Date.parse("2026-01-03"));
 * await t.close();
 */
export async function testEngine<Env = unknown>(options: TestEngineOptions<Env>): Promise<TestEngine> {
  const bed = new Testbed(testPlan(options));
  await bed.open();
  let closed: Promise<void> | null = null;
  const checkOpen = () => {
    if (closed !== null) throw engineClosed();
  };
  return bed.succession.engine({
    world: bed.world.sim,
    now: () => bed.now,
    advance: async (duration: Duration) => {
      checkOpen();
      await bed.pace.advance(parseDuration(duration));
    },
    advanceTo: async (instant: Date | string | number) => {
      checkOpen();
      const ms = instantMs(instant) - bed.now;
      if (ms < 0) throw testInvalid("advanceTo's instant", `one that is not before ${isoText(bed.now)}`, instant);
      await bed.pace.advance(ms);
    },
    until: async (condition: () => boolean | PromiseLike<boolean>) => {
      checkOpen();
      if (typeof condition !== "function") throw testInvalid("until's condition", "a function", condition);
      await until(bed, condition);
    },
    crash: async () => {
      checkOpen();
      await bed.crash();
    },
    get crashes() {
      return bed.crashes;
    },
    calls: (step?: string) =>
      bed.calls.list(step === undefined ? () => true : stepPattern("calls' step", step).matches),
    unusedMocks: () => bed.mocks.unused,
    lines: () => bed.lines,
    work: (working?: WorkerOptions) => bed.work(working),
    close: (closing?: { readonly deadline?: Duration }) => {
      closed ??= bed.close(closing);
      return closed;
    },
  });
}

async function until(bed: Testbed, condition: () => boolean | PromiseLike<boolean>): Promise<void> {
  for (let moves = 0; !(await condition()); moves++) {
    try {
      if (moves >= MOVES_MAX) throw "endless" satisfies InVain;
      await bed.pace.next();
    } catch (why) {
      throw await conditionInVain(bed.parts, why as InVain | Error);
    }
  }
}

function isoText(at: number): string {
  return new Date(at).toISOString();
}
