/** What `testEngine` may be told, and what it makes of it. */
import { instantMs } from "../ctx/sleep.ts";
import { isWorkflow, type Workflow } from "../ctx/workflow.ts";
import type { MessagesOptions } from "../engine/messages.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { Limits } from "../kernel/limits.ts";
import type { Queues } from "../kernel/queues.ts";
import type { ScheduleDefinition } from "../scheduler/definition.ts";
import type { Hook } from "../triggers/hook.ts";
import type { SecretResolver } from "../triggers/secrets.ts";
import type { CrashPoint } from "./crash-points.ts";
import { testInvalid } from "./invalid-option.ts";
import type { StepMock } from "./mock.ts";
import type { SimulatedWorld } from "./world.ts";

export interface TestEngineOptions<Env = unknown> {
  readonly workflows: readonly Workflow<never, unknown, Env>[];
  /** What step bodies are given; or a function that makes it of the test's world, for fakes that wait in virtual time. */
  readonly env?: Env | ((world: SimulatedWorld) => Env);
  /**
   * What runs in place of step bodies, by the step's key: `charge`, `poll#2`, `order/charge`. In a key `[*]` stands for any
   * index and `#*` for any occurrence. The key with the fewest stars counts, in every workflow of the engine. A step
   * without a mock runs its own body.
   */
  readonly steps?: Readonly<Record<string, StepMock<NoInfer<Env>>>>;
  /** `refuse`: `close` throws for a mock whose key no step has had. @default "refuse" */
  readonly unusedMocks?: "refuse" | "allow";
  /** When virtual time begins: a Date, a text with its zone, milliseconds since the epoch. @default 2026-01-01T00:00:00Z */
  readonly start?: Date | string | number;
  /** Places at which the process dies, once each; the next process takes over at the same instant. @default none */
  readonly crashes?: readonly CrashPoint[];
  /** Whether the history of each run is replayed against its code once it has ended, which finds code that is not repeatable. @default true */
  readonly replay?: boolean;
  /** Decides ids, retry jitter and `world.random()`. @default 1 */
  readonly seed?: number;
  readonly hooks?: readonly Hook[];
  /** Finds the secrets that hooks name. @default there are none */
  readonly secrets?: SecretResolver;
  readonly limits?: Partial<Limits>;
  /** Queues of workflows, by name. */
  readonly queues?: Queues;
  /** They fire as time passes; each instant exactly when it is due. @default none; `schedules.create` makes others */
  readonly schedules?: readonly ScheduleDefinition[];
  /** How long messages are kept. */
  readonly messages?: MessagesOptions;
}

/** Options with every choice made. What is not checked here is where it is used. */
export interface TestPlan {
  readonly workflows: readonly Workflow<never, unknown, never, never>[];
  readonly env: unknown;
  readonly steps: unknown;
  readonly allowsUnused: boolean;
  readonly startsAt: number;
  readonly crashes: unknown;
  readonly replays: boolean;
  readonly seed: number;
  readonly hooks: readonly Hook[] | undefined;
  readonly secrets: SecretResolver | undefined;
  readonly limits: Partial<Limits> | undefined;
  readonly queues: Queues | undefined;
  readonly schedules: readonly ScheduleDefinition[] | undefined;
  readonly messages: MessagesOptions | undefined;
}

type Options = { readonly [Name in keyof TestEngineOptions]?: unknown };

const START = "2026-01-01T00:00:00Z";

/** @throws DefinitionError `TEST_INVALID`, `WORKFLOW_INVALID`, `INSTANT_INVALID` */
export function testPlan(options: unknown): TestPlan {
  if (typeof options !== "object" || options === null) throw testInvalid("testEngine's options", "an object", options);
  const { workflows, env, steps = {}, crashes = [], start = START, seed = 1, replay = true } = options as Options;
  const { unusedMocks = "refuse", hooks, secrets, limits, queues, schedules, messages } = options as Options;
  if (unusedMocks !== "refuse" && unusedMocks !== "allow") {
    throw testInvalid("unusedMocks", '"refuse" or "allow"', unusedMocks);
  }
  if (typeof replay !== "boolean") throw testInvalid("replay", "true or false", replay);
  if (!Number.isSafeInteger(seed)) throw testInvalid("seed", "a whole number", seed);
  return {
    workflows: workflowsOf(workflows),
    env,
    steps,
    crashes,
    allowsUnused: unusedMocks === "allow",
    startsAt: Math.floor(instantMs(start as string)),
    replays: replay,
    seed: seed as number,
    hooks: hooks as TestPlan["hooks"],
    secrets: secrets as TestPlan["secrets"],
    limits: limits as TestPlan["limits"],
    queues: queues as TestPlan["queues"],
    schedules: schedules as TestPlan["schedules"],
    messages: messages as TestPlan["messages"],
  };
}

/** They are wrapped before an engine looks at them. */
function workflowsOf(workflows: unknown): TestPlan["workflows"] {
  if (!Array.isArray(workflows)) throw testInvalid("workflows", "a list of workflows", workflows);
  const wrong = workflows.findIndex((workflow) => !isWorkflow(workflow));
  if (wrong < 0) return workflows;
  throw new DefinitionError(
    "WORKFLOW_INVALID",
    `expected workflows[${wrong}] to be what \`workflow(...)\` or \`.implement(...)\` returned, but found something else`,
  );
}
