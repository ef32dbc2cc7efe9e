/** The workflow that does what a program says. */
import type { Ctx } from "../../src/ctx/ctx.ts";
import type { StepContext } from "../../src/ctx/step-options.ts";
import { type Workflow, withEnv } from "../../src/ctx/workflow.ts";
import { isVarveError, OutcomeUnknownError, StepFailedError } from "../../src/kernel/errors.ts";
import type { RunRules } from "../../src/kernel/run-rules.ts";
import type { BodyStart } from "../../src/testing/code-book.ts";
import { cel } from "../../src/triggers/cel.ts";
import {
  type Command,
  failuresMaxOf,
  LOCK_SLOTS,
  type LockCommand,
  type MapCommand,
  type Program,
  type StepCommand,
} from "./program.ts";
import { canonical, FALLBACK, specified } from "./values.ts";

/** The world as bodies meet it. */
export interface World {
  /** A body begins; what it returns is called when it ends. */
  begin(body: BodyStart): () => void;
  /** Time as bodies know it. */
  wait(ms: number): Promise<void>;
  /** Code was given what a step came to. */
  given(runId: string, key: string, value: unknown): void;
  /** The call that the code of a run asked for last. */
  lastAsked(runId: string): string;
}

export interface Input {
  readonly program: Program;
  /** By what a message may name the run, to end it. */
  readonly tag?: string;
}

/** The topics of programs: news that their runs wait for, words that end them, and programs that begin by a message. */
export const TOPICS = { news: "news", stop: "stop", orders: "orders" } as const;

/** What a program's workflow is beside its code. */
export interface Guise {
  /** @default "program" */
  readonly name?: string;
  /** Whether messages start and cancel its runs. @default false */
  readonly listens?: boolean;
  /** What its runs need before they may begin. @default nothing */
  readonly rules?: RunRules<Input>;
}

/** The queue in which attempts stand in line. */
export const STEP_QUEUE = "steps";

/** Few failures open it. */
const BREAKER = { name: "breaker", failures: 2, window: 60_000 };

const RETRY = { backoff: "fixed", initial: 50, jitter: "none" } as const;

/** @param version the same program under another version of its code, for fleets in which both run */
export function interpreter(
  world: World,
  version: string,
  { name = "program", listens = false, rules = {} }: Guise = {},
): Workflow<Input, unknown, World> {
  const isMeant = cel("has(run.input.tag) && message.payload == run.input.tag");
  const heeds = listens ? { on: [{ topic: TOPICS.orders }], cancelOn: [{ topic: TOPICS.stop, match: isMeant }] } : {};
  return withEnv<World>().workflow({ name, version, ...rules, ...heeds }, (ctx, { program }: Input) =>
    run(ctx, world, program),
  );
}

async function run(ctx: Ctx<World>, world: World, program: Program): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const command of program) values.push(await perform(ctx, world, command));
  return values;
}

async function perform(ctx: Ctx<World>, world: World, command: Command): Promise<unknown> {
  switch (command.do) {
    case "step":
      return await step(ctx, world, command);
    case "sleep":
      await ctx.sleep(command.name, command.ms);
      return "slept";
    case "sleep-until":
      await ctx.sleepUntil(command.name, ctx.now().getTime() + command.ms);
      return "slept";
    case "ambient": {
      const isRight = ctx.random() < 1 && ctx.uuid().length === 36 && ctx.now().getTime() >= ctx.run.createdAt;
      ctx.log("info", "ambient");
      return isRight ? "ambient" : "wrong";
    }
    case "throw":
      throw new Error(command.message);
    case "scope":
    case "shield":
      return await ctx[command.do](command.name, async (inner) => (await run(inner, world, command.body)) as never);
    case "wait": {
      const { name, signal, timeoutMs } = command;
      const payload = await ctx.waitFor(signal, timeoutMs === null ? {} : { timeout: timeoutMs });
      return payload === null ? "none" : `${name} got ${payload}`;
    }
    case "hear": {
      const { name, timeoutMs } = command;
      const timeout = timeoutMs === null ? {} : { timeout: timeoutMs };
      const heard = await ctx.waitForMessage(TOPICS.news, {
        match: cel(`message.payload == "${name}"`),
        since: 0,
        ...timeout,
      });
      return heard === null ? "none" : `heard ${heard.payload}`;
    }
    case "child": {
      const { name: key, body, isAbandoned } = command;
      const onCancel = isAbandoned ? "abandon" : "propagate";
      return await ctx.child("program", { program: body }, { key, onCancel });
    }
    case "update": {
      const count = await ctx
        .kv("global")
        .update(command.counter, (before) => ((before as number | undefined) ?? 0) + 1);
      return typeof count === "number" && count > 0 ? "counted" : "wrong";
    }
    case "keep": {
      const kept = ctx.kv("run");
      await kept.set(command.name, specified(command.value) ?? null);
      return canonical(await kept.get(command.name));
    }
    case "undo":
      await ctx.compensate();
      return "undone";
    case "guard":
      return await warded(ctx, world, command);
    case "lock":
      return await locked(ctx, world, command);
    case "map":
      return await mapped(ctx, world, command);
    case "start":
      await ctx.start("program", { program: command.body }, { key: command.name });
      return "started";
    case "loop": {
      const rounds: unknown[] = [];
      for (let round = 0; round < command.times; round++) rounds.push(await run(ctx, world, command.body));
      return rounds;
    }
    case "try":
      return await guarded(ctx, world, command);
    default:
      return await combined(
        command.do,
        command.branches.map((branch) => run(ctx, world, branch)),
      );
  }
}

async function locked(ctx: Ctx<World>, world: World, { name, timeoutMs, body }: LockCommand): Promise<unknown> {
  const options = { slots: LOCK_SLOTS[name], ...(timeoutMs === null ? {} : { timeout: timeoutMs }) };
  try {
    return await ctx.lock(name, options, async (inner) => (await run(inner, world, body)) as never);
  } catch (error) {
    // Of a lock within this one it is that lock's affair.
    if (isVarveError(error, "LOCK_TIMEOUT")) return "locked out";
    throw error;
  }
}

async function warded(ctx: Ctx<World>, world: World, { body }: Extract<Command, { do: "guard" }>): Promise<unknown> {
  const ward = { ...BREAKER, name: "ward" };
  try {
    return await ctx.breaker(ward, async (inner) => (await run(inner, world, body)) as never);
  } catch (error) {
    // Of a ward within this one it is that one's affair.
    if (isVarveError(error, "BREAKER_OPEN")) return "refused";
    throw error;
  }
}

async function guarded(ctx: Ctx<World>, world: World, command: Extract<Command, { do: "try" }>): Promise<unknown> {
  let value: unknown;
  let last: unknown;
  try {
    value = await run(ctx, world, command.body);
  } catch (error) {
    value = ["caught", messageOf(error), await run(ctx, world, command.onError)];
  } finally {
    last = await run(ctx, world, command.last);
  }
  return [value, last];
}

async function mapped(ctx: Ctx<World>, world: World, command: MapCommand): Promise<unknown> {
  const { name, items, concurrency, tolerate } = command;
  const watch = new MapWatch(command);
  const item = (program: Program, inner: Ctx<World>) => watch.item(() => run(inner, world, program) as Promise<never>);
  try {
    if (tolerate === null) return await ctx.map(name, items, item, { concurrency });
    const settled = await ctx.map(name, items, item, { concurrency, tolerate });
    return settled.map((each) => (each.status === "completed" ? ["ok", each.value] : ["error", messageOf(each.error)]));
  } finally {
    watch.end();
  }
}

/** Fails the run where a map has more items under way than it may, begins one too many, or leaves one behind. */
class MapWatch {
  readonly #command: MapCommand;
  #underWay = 0;
  #failed = 0;
  #wrong: string | null = null;

  constructor(command: MapCommand) {
    this.#command = command;
  }

  async item<T>(work: () => Promise<T>): Promise<T> {
    const { concurrency } = this.#command;
    if (++this.#underWay > concurrency) this.#wrong = "too many items are under way";
    // Of several at a time another may begin before the failure is in the log.
    if (concurrency === 1 && this.#failed > failuresMaxOf(this.#command)) this.#wrong = "an item begins too late";
    try {
      return await work();
    } catch (error) {
      this.#failed++;
      throw error;
    } finally {
      this.#underWay--;
    }
  }

  end(): void {
    if (this.#underWay > 0) this.#wrong = "an item is left behind";
    if (this.#wrong !== null) throw new Error(this.#wrong);
  }
}

async function combined(kind: string, branches: readonly Promise<unknown[]>[]): Promise<unknown> {
  const settled = (branch: Promise<unknown>) =>
    branch.then(
      (value) => ["ok", value],
      (error) => ["error", messageOf(error)],
    );
  if (kind === "all") return await Promise.all(branches);
  if (kind === "all-settled") return await Promise.all(branches.map(settled));
  if (kind === "race") return await settled(Promise.race(branches));
  return await Promise.any(branches).catch(() => "none");
}

/** A map's failure carries that of an item. */
function messageOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? messageOf(cause) : message;
}

/** The first attempt to undo a step fails now and then. */
async function undo({ env, key, attempt, signal, run: { id: runId } }: StepContext<World>): Promise<void> {
  const end = env.begin({ runId, key, attempt, signal });
  try {
    if (attempt === 1 && key.length % 3 === 0) throw new Error("not yet");
  } finally {
    end();
  }
}

/** Steps of one name have several values, in several programs. */
function cacheKeyOf(command: StepCommand): string {
  const text = canonical(specified(command.value));
  return `${text.length} ${text.slice(0, 200)}`;
}

function standIn({ env, key, attempt, signal, run: { id: runId } }: StepContext<World>): string {
  env.begin({ runId, key, attempt, signal })();
  return FALLBACK;
}

async function step(ctx: Ctx<World>, world: World, command: StepCommand): Promise<unknown> {
  const {
    name,
    fails,
    ms,
    attempts,
    hangs,
    once,
    isUndoable,
    guardMs,
    isCached = false,
    isQueued = false,
    fallback,
  } = command;
  const options = {
    ...(once ? { once } : { retry: { ...RETRY, attempts } }),
    ...(hangs ? { timeout: 10_000 } : {}),
    ...(guardMs === undefined ? {} : { breaker: { ...BREAKER, resetAfter: guardMs } }),
    ...(isCached ? { cache: { key: cacheKeyOf(command), ttl: "1h" } } : {}),
    ...(isQueued ? { queue: STEP_QUEUE } : {}),
    ...(isUndoable ? { compensate: (_: unknown, undoing: StepContext<World>) => undo(undoing) } : {}),
    ...(fallback === "value" ? { fallback: FALLBACK as never } : {}),
    ...(fallback === "step"
      ? { fallback: (_: Error, standing: StepContext<World>) => standIn(standing) as never }
      : {}),
  };
  const asked = ctx.step(
    name,
    async ({ env, key, attempt, signal, run: { id: runId } }) => {
      const line = isQueued ? { line: { name: STEP_QUEUE, slots: 1 } } : {};
      const end = env.begin({ runId, key, attempt, attemptsMax: once ? 1 : attempts, once, signal, ...line });
      try {
        if (hangs && attempt === 1) await new Promise(() => {});
        if (ms > 0) await env.wait(ms);
        if (fails === "all" || attempt <= fails) throw new Error(`attempt ${attempt} fails`);
        return specified(command.value) as never;
      } finally {
        end();
      }
    },
    options,
  );
  const key = world.lastAsked(ctx.run.id);
  try {
    const value = await asked;
    if (fallback === "none") world.given(ctx.run.id, key, value);
    return canonical(value);
  } catch (error) {
    if (error instanceof OutcomeUnknownError) return "unknown";
    if (isVarveError(error, "BREAKER_OPEN")) return "refused";
    const message = `failed ${name}`;
    // In words that the oracle knows; a retry goes by the facts.
    if (error instanceof StepFailedError) throw new StepFailedError("STEP_FAILED", message, error.facts);
    throw new Error(message);
  }
}
