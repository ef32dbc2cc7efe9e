/**
 * Subscriptions: which messages start runs of a workflow, and which cancel them. Pure: a definition is checked and compiled,
 * kept as a text that any process can read, and says of a message what is to become of it.
 *
 * What is a function in it lives in the workflow's code alone: a process without that code leaves the message to one that
 * has it.
 */
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import { toFailure } from "../kernel/failure.ts";
import { checkNumbers, invalidOption } from "../kernel/options.ts";
import type { TerminalStatus } from "../kernel/state.ts";
import { checkName, shownValue } from "../kernel/text.ts";
import { type Condition, compileExpression, compileKey, type Judgement, type KeyExpression } from "./expression.ts";
import {
  MESSAGE_AND_RUN,
  MESSAGE_ONLY,
  type MessageExpression,
  matchText,
  messageKeyText,
  runMatchText,
} from "./message-expression.ts";
import { checkPattern, meansTopic, RUN_ENDS } from "./topic.ts";

/** A message as expressions and functions see it. */
export interface Message<Payload = unknown> {
  readonly topic: string;
  readonly id: string;
  readonly payload: Payload;
  /** When it happened, as its publisher says; milliseconds since the epoch. */
  readonly at: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** How a run has ended: the payload of a message that the end of a run is. */
export interface RunEnd {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  readonly status: TerminalStatus;
  readonly tags: Readonly<Record<string, string>>;
  /** With `completed`. */
  readonly output?: unknown;
  /** With `failed`. */
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
  /** With `cancelled`, if one was given. */
  readonly reason?: string;
}

/** A function of a message; as the type of its payload it may say what its publishers promise. */
type MessageFunction<Payload, Result> = { of(message: Message<Payload>): Result }["of"];

/** A start that is put off while messages keep coming. The last payload counts. */
export interface DebounceOptions<Payload = unknown> {
  /** Messages of one key are taken together: a function, or an expression of {@link cel} over `message`. @default all */
  readonly key?: MessageFunction<Payload, string> | MessageExpression;
  /** The start comes when none came for so long, up to a day. */
  readonly period: Duration;
  /** At the latest so long after the first, up to a day. @default ten times `period` */
  readonly max?: Duration;
}

/** Messages that are taken together: one run is given the list of what they come to. */
export interface BatchOptions<Payload = unknown> {
  /** The run starts with so many, 1 to 1,000; with fewer if they would be too large together. */
  readonly size: number;
  /** At the latest so long after the first, up to a day. */
  readonly timeout: Duration;
  /** As of a debounce. */
  readonly key?: MessageFunction<Payload, string> | MessageExpression;
}

interface TriggerOptions<Payload> {
  /** Names it among those of its workflow, in what is recorded. @default what it listens to */
  readonly name?: string;
  /**
   * Which messages are meant: an expression of {@link cel} over `message`, which any process can evaluate, or a function that
   * looks at nothing else, for which a message waits until a process that has this code dispatches it.
   *
   * @default all
   * @example match: cel("message.payload.total > 100")
   */
  readonly match?: MessageFunction<Payload, boolean> | MessageExpression;
  /** Makes the run's input; with `batch` it is called for each message. @default the payload */
  readonly input?: MessageFunction<Payload, unknown>;
  readonly debounce?: DebounceOptions<Payload>;
  readonly batch?: BatchOptions<Payload>;
}

/** Messages on a topic start runs. */
export interface TopicTrigger<Payload = unknown> extends TriggerOptions<Payload> {
  /** Such as `orders.paid`, or `orders.*`: `*` is one segment, as the last one or more. */
  readonly topic: string;
  readonly run?: undefined;
}

/** The ends of another workflow's runs start runs. */
export interface EndTrigger extends TriggerOptions<RunEnd> {
  /** A workflow or its name. */
  readonly run: string | { readonly name: string };
  /** @default ["completed"] */
  readonly ends?: readonly TerminalStatus[];
  readonly topic?: undefined;
}

export type WorkflowTrigger = TopicTrigger | EndTrigger;

/** Messages that cancel a workflow's runs. */
export interface CancelOn {
  readonly topic: string;
  /**
   * Which runs of it: an expression of {@link cel} over `message` and `run` (`id`, `workflow`, `input`, `tags`). No function: it
   * is kept in the log, and any process may have to decide it, also one without this code.
   *
   * @default all
   * @example match: cel("message.payload.order == run.input.order")
   */
  readonly match?: MessageExpression;
}

/** A subscription's text: what the log keeps of it, as JSON. */
export interface SubscriptionText {
  readonly kind: "start" | "cancel";
  /** The topics that it listens to. */
  readonly patterns: readonly string[];
  /** The workflow whose ends it listens to; null: none's. */
  readonly run: string | null;
  /** Null: all, or a function says it. */
  readonly match: string | null;
  readonly gather: GatherText | null;
  /** Whether a function of the workflow's code, or its input's schema, has a part in it. */
  readonly needsCode: boolean;
}

/** How messages are taken together. */
export type GatherText =
  | { readonly kind: "debounce"; readonly key: string | null; readonly periodMs: number; readonly maxMs: number }
  | { readonly kind: "batch"; readonly key: string | null; readonly size: number; readonly timeoutMs: number };

/** A subscription, compiled. */
export interface Subscription {
  /** Unique in its workflow. */
  readonly name: string;
  readonly text: SubscriptionText;
  /** Null where the text is all there is. */
  readonly functions: SubscriptionFunctions;
}

interface SubscriptionFunctions {
  readonly match?: (message: Message<never>) => boolean;
  readonly input?: (message: Message<never>) => unknown;
  readonly key?: (message: Message<never>) => string;
}

/** The most subscriptions of one workflow. */
const SUBSCRIPTIONS_MAX = 100;

const GATHER_MS_MAX = 86_400_000;

const ENDS: readonly TerminalStatus[] = ["completed", "failed", "cancelled"];

/**
 * Checks and compiles what a workflow listens to.
 *
 * @param hasSchema its input has a schema, which only its code can ask
 * @throws DefinitionError `TRIGGER_INVALID`, `TOPIC_INVALID`, `EXPRESSION_INVALID`, `DURATION_INVALID`, `OPTION_INVALID`
 */
export function defineSubscriptions(
  workflow: string,
  on: readonly WorkflowTrigger[] = [],
  cancelOn: readonly CancelOn[] = [],
  hasSchema = false,
): readonly Subscription[] {
  if (!Array.isArray(on)) throw invalidOption(`on of workflow "${workflow}"`, "a list", on);
  if (!Array.isArray(cancelOn)) throw invalidOption(`cancelOn of workflow "${workflow}"`, "a list", cancelOn);
  const all = [
    ...on.map((trigger: WorkflowTrigger, i) => start(`on[${i}] of workflow "${workflow}"`, trigger, hasSchema)),
    ...cancelOn.map((cancel: CancelOn, i) => cancels(`cancelOn[${i}] of workflow "${workflow}"`, cancel)),
  ];
  if (all.length > SUBSCRIPTIONS_MAX) {
    throw invalid(workflow, `at most ${SUBSCRIPTIONS_MAX} subscriptions`, `${all.length}`);
  }
  const twice = all.find(({ name }, i) => all.findIndex((other) => other.name === name) !== i);
  if (twice === undefined) return all;
  throw invalid(
    workflow,
    "each subscription once; give one of two that listen to the same a name",
    `${twice.name} twice`,
  );
}

function start(what: string, trigger: WorkflowTrigger, hasSchema: boolean): Subscription {
  if (typeof trigger !== "object" || trigger === null) throw invalid(what, "{ topic } or { run }", typeof trigger);
  const { match, input, debounce, batch } = trigger;
  if (debounce !== undefined && batch !== undefined) throw invalid(what, "debounce or batch", "both");
  if (input !== undefined && typeof input !== "function") throw invalid(what, "input to be a function", typeof input);
  const source = sourceOf(what, trigger);
  const gather = gatherOf(what, debounce as DebounceOptions | undefined, batch as BatchOptions | undefined);
  const functions = {
    ...(typeof match === "function" ? { match: match as (message: Message<never>) => boolean } : {}),
    ...(input === undefined ? {} : { input: input as (message: Message<never>) => unknown }),
    ...(gather.key === null ? {} : { key: gather.key }),
  };
  const text: SubscriptionText = {
    kind: "start",
    patterns: source.patterns,
    run: source.run,
    match: matchText(`match of ${what}`, match),
    gather: gather.text,
    needsCode: hasSchema || Object.keys(functions).length > 0,
  };
  return {
    name: trigger.name === undefined ? source.name : checkName(`the name of ${what}`, trigger.name),
    text,
    functions,
  };
}

function sourceOf(
  what: string,
  trigger: WorkflowTrigger,
): Pick<SubscriptionText, "patterns" | "run"> & { name: string } {
  if (trigger.topic !== undefined) {
    if (trigger.run !== undefined) throw invalid(what, "topic or run", "both");
    const topic = checkPattern(`topic of ${what}`, trigger.topic);
    return { patterns: [topic], run: null, name: topic };
  }
  if (trigger.run === undefined) throw invalid(what, "a topic or a run", "neither");
  const { run, ends = ["completed"] } = trigger;
  const name = checkName(`run of ${what}`, typeof run === "object" && run !== null ? run.name : run);
  if (!Array.isArray(ends) || ends.length === 0 || !ends.every((end) => ENDS.includes(end))) {
    throw invalid(what, `ends to be some of ${ENDS.join(", ")}`, shownValue(ends));
  }
  return {
    patterns: ENDS.filter((end) => ends.includes(end)).map(endTopic),
    run: name,
    name: `run ${name}`.slice(0, 256),
  };
}

/** The topic on which runs end in this way. */
export function endTopic(status: TerminalStatus): string {
  return `${RUN_ENDS}.${status}`;
}

function cancels(what: string, cancel: CancelOn): Subscription {
  if (typeof cancel !== "object" || cancel === null) throw invalid(what, "{ topic, match }", typeof cancel);
  const topic = checkPattern(`topic of ${what}`, cancel.topic);
  const match = runMatchText(`match of ${what}`, cancel.match);
  const text: SubscriptionText = {
    kind: "cancel",
    patterns: [topic],
    run: null,
    match,
    gather: null,
    needsCode: false,
  };
  return { name: `cancel ${topic}`, text, functions: {} };
}

function gatherOf(
  what: string,
  debounce: DebounceOptions | undefined,
  batch: BatchOptions | undefined,
): { readonly text: GatherText | null; readonly key: ((message: Message<never>) => string) | null } {
  const given = debounce ?? batch;
  if (given === undefined) return { text: null, key: null };
  if (typeof given !== "object" || given === null)
    throw invalid(what, "debounce to be { period, max, key }, or batch { size, timeout, key }", shownValue(given));
  const { key } = given;
  const keyText = messageKeyText(`${debounce === undefined ? "batch" : "debounce"}.key of ${what}`, key);
  const keyFunction = typeof key === "function" ? (key as (message: Message<never>) => string) : null;
  if (debounce !== undefined) {
    const periodMs = gatherMs(`debounce.period of ${what}`, debounce.period);
    const max = debounce.max === undefined ? Math.min(periodMs * 10, GATHER_MS_MAX) : debounce.max;
    const maxMs = gatherMs(`debounce.max of ${what}`, max);
    if (maxMs < periodMs) throw invalid(what, "debounce.max to be no less than debounce.period", `${maxMs} ms`);
    return { text: { kind: "debounce", key: keyText, periodMs, maxMs }, key: keyFunction };
  }
  const { size, timeout } = batch as BatchOptions;
  const checked = checkNumbers(`batch of ${what}`, { size }, { size }, { size: [1, 1_000] });
  const timeoutMs = gatherMs(`batch.timeout of ${what}`, timeout);
  return { text: { kind: "batch", key: keyText, size: checked.size, timeoutMs }, key: keyFunction };
}

function gatherMs(what: string, duration: Duration): number {
  const ms = parseDuration(duration);
  if (ms >= 1 && ms <= GATHER_MS_MAX) return ms;
  throw invalidOption(what, "a duration from 1ms to 1d", duration);
}

function invalid(what: string, expected: string, found: string): DefinitionError {
  return new DefinitionError("TRIGGER_INVALID", `expected ${what} to have ${expected}, but found ${found}`, { what });
}

/** What is to become of a message by one subscription. `other`: it does not listen to the topic. */
export type MessageJudgement =
  | { readonly kind: "other" }
  | { readonly kind: "filtered"; readonly reason: string }
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "start" }
  | { readonly kind: "gather"; readonly key: string };

/** The key of what has none. */
const NO_KEY = "";

/** Says what is to become of a message by a subscription that starts runs. Never throws. */
export function judgeMessage({ text, functions }: Subscription, message: Message): MessageJudgement {
  if (!listensTo(text, message)) return { kind: "other" };
  const matched = judged(() => conditionOf(text.match, MESSAGE_ONLY)?.judge({ message }), functions.match, message);
  if (matched.kind === "fault") return { kind: "invalid", reason: `its match cannot be said: ${matched.message}` };
  if (matched.kind === "missing")
    return { kind: "filtered", reason: `its match asks for what is not there: ${matched.message}` };
  if (matched.value !== true) return { kind: "filtered", reason: `its match is false: ${text.match ?? "a function"}` };
  const { gather } = text;
  if (gather === null) return { kind: "start" };
  const key = gather.key === null && functions.key === undefined ? value(NO_KEY) : keyOf(gather, functions, message);
  return key.kind === "value"
    ? { kind: "gather", key: key.value }
    : { kind: "invalid", reason: `the key of its ${gather.kind} cannot be said: ${key.message}` };
}

/** Whether a subscription listens to what the message is about. */
export function listensTo({ patterns, run }: SubscriptionText, { topic, payload }: Message): boolean {
  if (!patterns.some((pattern) => meansTopic(pattern, topic))) return false;
  return run === null || (payload as RunEnd).workflow === run;
}

function keyOf(gather: GatherText, functions: SubscriptionFunctions, message: Message): Judgement<string> {
  const found = judged(() => keyExpression(gather.key)?.judge({ message }), functions.key, message);
  if (found.kind !== "value") return found;
  try {
    return value(checkName("the key", found.value));
  } catch (error) {
    return { kind: "fault", message: toFailure(error).message };
  }
}

const value = <T>(found: T): Judgement<T> => ({ kind: "value", value: found });

/** What a function says, else an expression; without either true. */
function judged(
  expression: () => Judgement<unknown> | undefined,
  fn: ((message: Message<never>) => unknown) | undefined,
  message: Message,
): Judgement<unknown> {
  if (fn === undefined) return expression() ?? value(true);
  try {
    return value(fn(message as Message<never>));
  } catch (error) {
    return { kind: "fault", message: `it threw: ${toFailure(error).message}` };
  }
}

/** A run as `match` of a wait or of `cancelOn` sees it. */
export interface MatchedRun {
  readonly id: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly tags: Readonly<Record<string, string>>;
}

/** Whether a message is meant by what a run, or somebody on its behalf, waits for. Never throws. */
export function matchesRun(match: string | null, message: Message, run: MatchedRun): boolean {
  return conditionOf(match, MESSAGE_AND_RUN)?.evaluate({ message, run }) ?? true;
}

/** Compiled texts, the latest used last: dispatching compiles each once. */
const compiled = new Map<string, Condition | KeyExpression | null>();
const COMPILED_MAX = 1_000;

function conditionOf(text: string | null, variables: readonly string[]): Condition | null {
  if (text === null) return null;
  return remembered(`${variables.length} ${text}`, () => compileExpression(text, { variables })) as Condition | null;
}

function keyExpression(text: string | null): KeyExpression | null {
  return text === null
    ? null
    : (remembered(`k ${text}`, () => compileKey(text, { variables: MESSAGE_ONLY })) as KeyExpression);
}

function remembered(id: string, compile: () => Condition | KeyExpression): Condition | KeyExpression | null {
  const known = compiled.get(id);
  if (known !== undefined) return known;
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  const made = compile();
  compiled.set(id, made);
  return made;
}
