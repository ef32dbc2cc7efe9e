/** A hook: webhook requests of one sender, and what they start or tell. */

import { PAYLOAD_DEPTH_MAX } from "../kernel/codec.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError, ValidationError } from "../kernel/errors.ts";
import { isDeeper, type Json } from "../kernel/json.ts";
import { checkOptions } from "../kernel/options.ts";
import { writeCel } from "../kernel/run-expression.ts";
import { shownValue } from "../kernel/text.ts";
import type { WorkflowRef } from "../kernel/workflow-ref.ts";
import type { WebhookRequest, WebhookScheme } from "./scheme.ts";

/** Survives duplicated packages. */
const HOOK = Symbol.for("varve.hook");

/** A request whose signature is good. */
export interface WebhookDelivery {
  /** The hook's name. */
  readonly hook: string;
  /** The sender's id of it; a repeat has the same. */
  readonly id: string;
  /** By lower-case name; of a header that came several times the values, joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /**
   * The body as text.
   *
   * @throws ValidationError `BODY_INVALID` when it is no UTF-8
   */
  text(): string;
  /**
   * The body as JSON.
   *
   * @throws ValidationError `BODY_INVALID` when it is none, or nested too deep for the log
   */
  json(): unknown;
  /**
   * The fields of a body that is a form (`application/x-www-form-urlencoded`), such as a slash command of Slack. Of a field
   * that comes several times the last.
   *
   * @throws ValidationError `BODY_INVALID` when it is no UTF-8
   */
  form(): Readonly<Record<string, string>>;
}

/** An expression over a delivery, as `cel` returns it. */
export interface DeliveryExpression {
  /** As it was written. */
  readonly text: string;
  /** @throws DefinitionError `EXPRESSION_INVALID`, with the position and a hint */
  readonly ofDelivery: (what: string) => DeliveryCondition;
}

/** Which deliveries a hook takes: an expression that was checked. */
export interface DeliveryCondition {
  /** As it was written: the decision about a delivery that it ignores names it. */
  readonly text: string;
  /** Null: the delivery is taken. Else why it is not. */
  readonly objection: (delivery: WebhookDelivery) => string | null;
}

/** Whether a hook takes a delivery. */
type DeliveryFilter = (delivery: WebhookDelivery) => boolean | Promise<boolean>;

/** What is said of all hooks. */
export interface HookBase {
  /** Its place: `POST /hooks/<name>`. Letters, digits, `-` and `_`. */
  readonly name: string;
  readonly scheme: WebhookScheme;
  /**
   * Which deliveries it takes: a function, or an expression of {@link cel}. The others are recorded as ignored, and their
   * sender is told that all is well. @default all
   */
  readonly filter?: DeliveryFilter | DeliveryExpression;
  /**
   * By what a repeat is known: 1 to 128 characters. It takes the place of the scheme's id of a delivery.
   *
   * @example key: (delivery) => `order-${(delivery.json() as Order).id}`
   */
  readonly key?: (delivery: WebhookDelivery) => string | Promise<string>;
}

/** A hook that starts runs. */
export interface StartingHookOptions<Input> extends HookBase {
  readonly workflow: WorkflowRef<Input, unknown, never>;
  /** Makes the workflow's input. @default the body as JSON */
  readonly input?: (delivery: WebhookDelivery) => Input | Promise<Input>;
  /**
   * When the sender is answered: `accepted`, once the run is durable; `result`, with what the run comes to, or, if that takes
   * longer than `timeout`, as `accepted`. Senders give up after some seconds, most of them after 10. @default "accepted"
   */
  readonly respond?: "accepted" | "result";
  /** How long a `result` is waited for, at most 1 minute. @default "10s" */
  readonly timeout?: Duration;
}

/** A hook that tells a run something. */
export interface SignallingHookOptions extends HookBase {
  readonly signal: HookSignal;
}

/** What a delivery becomes for a run: one signal, however often it comes. */
export interface HookSignal {
  /** The signal's name, or what finds it. */
  readonly name: string | ((delivery: WebhookDelivery) => string);
  /** Which run: its id; null: none, and the delivery is ignored. */
  readonly run: (delivery: WebhookDelivery) => string | null | Promise<string | null>;
  /** @default the body as JSON */
  readonly payload?: (delivery: WebhookDelivery) => unknown;
}

export type HookOptions<Input> = StartingHookOptions<Input> | SignallingHookOptions;

export interface Hook extends Omit<HookBase, "filter"> {
  readonly filter?: DeliveryFilter | DeliveryCondition;
  readonly target: HookTarget;
  readonly [HOOK]: true;
}

/** What a hook does with what it takes. */
export type HookTarget =
  | {
      readonly kind: "start";
      readonly workflow: WorkflowRef<never, unknown, never>;
      readonly input: (delivery: WebhookDelivery) => unknown;
      /** How long the sender waits for the run's result, milliseconds; null: it does not. */
      readonly resultWithinMs: number | null;
    }
  | { readonly kind: "signal"; readonly signal: Required<HookSignal> };

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const RESULT_MS = { default: 10_000, max: 60_000 } as const;

const bodyAsJson = (delivery: WebhookDelivery): unknown => delivery.json();

/**
 * Defines a hook: each request with a good signature is decided about once, however often it comes. It starts a run or tells
 * one something, is ignored or found invalid; the decision is recorded with the request in the same write.
 *
 * @throws DefinitionError `HOOK_INVALID`, `DURATION_INVALID`, `EXPRESSION_INVALID`
 * @example
 * export const githubHook = webhook({
 *   name: "github",
 *   scheme: github({ secrets: env("GITHUB_WEBHOOK_SECRET") }),
 *   filter: cel('headers["x-github-event"] == "pull_request" && body.action == "opened"'),
 *   workflow: triage,
 *   input: (delivery) => ({ event: delivery.headers["x-github-event"], payload: delivery.json() }),
 * });
 */
export function webhook<Input>(options: HookOptions<Input>): Hook {
  checkOptions("webhook", options);
  const { name, scheme, filter, key } = options;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw invalid(`the name of a hook to have the form ${NAME.source}, but found ${shownValue(name)}`, { name });
  }
  if (typeof scheme?.check !== "function" || typeof scheme.verify !== "function") {
    const found = shownValue(scheme);
    throw invalid(
      `scheme of the hook "${name}" to be what one such as github({ secrets }) returns, but found ${found}`,
      {
        name,
      },
    );
  }
  if (key !== undefined && typeof key !== "function")
    throw invalid(`key of the hook "${name}" to be a function`, { name });
  return {
    name,
    scheme,
    ...(filter === undefined ? {} : { filter: filterOf(name, filter) }),
    ...(key === undefined ? {} : { key }),
    target: "signal" in options ? signalOf(options) : startOf(options),
    [HOOK]: true,
  };
}

function filterOf(hook: string, filter: DeliveryFilter | DeliveryExpression): DeliveryFilter | DeliveryCondition {
  if (typeof filter === "function") return filter;
  if (typeof filter?.ofDelivery === "function") return filter.ofDelivery(`filter of the hook "${hook}"`);
  const expected = 'a function of the delivery, or an expression such as cel("body.total > 100")';
  const found = `${shownValue(filter)}${writeCel(filter)}`;
  throw invalid(`filter of the hook "${hook}" to be ${expected}, but found ${found}`, { name: hook });
}

function startOf<Input>(options: StartingHookOptions<Input>): HookTarget {
  const { name, workflow, input, respond = "accepted", timeout } = options;
  if (workflow === undefined)
    throw invalid(`the hook "${name}" to have a workflow or a signal, but found neither`, { name });
  if (respond !== "accepted" && respond !== "result") {
    const found = shownValue(respond);
    throw invalid(`respond of the hook "${name}" to be "accepted" or "result", but found ${found}`, { name });
  }
  if (respond === "accepted" && timeout !== undefined)
    throw invalid(`timeout of the hook "${name}" beside respond: "result", which alone waits`, { name });
  const resultMs = timeout === undefined ? RESULT_MS.default : parseDuration(timeout);
  if (resultMs > RESULT_MS.max)
    throw invalid(`timeout of the hook "${name}" to be at most ${RESULT_MS.max} ms, but found ${resultMs}`, { name });
  return {
    kind: "start",
    workflow: workflow as WorkflowRef,
    input: input ?? bodyAsJson,
    resultWithinMs: respond === "result" ? resultMs : null,
  };
}

function signalOf({ name, signal, ...rest }: SignallingHookOptions): HookTarget {
  const other = ["workflow", "input", "respond", "timeout"].find((field) => field in rest);
  if (other !== undefined) throw invalid(`the hook "${name}" to have a signal or ${other}, but found both`, { name });
  const isNamed = typeof signal?.name === "string" || typeof signal?.name === "function";
  if (!isNamed || typeof signal.run !== "function")
    throw invalid(`signal of the hook "${name}" to have a name and a function run that finds the run's id`, { name });
  return { kind: "signal", signal: { payload: bodyAsJson, ...signal } };
}

function invalid(expected: string, facts: { readonly name: unknown }): DefinitionError {
  return new DefinitionError("HOOK_INVALID", `expected ${expected}`, facts);
}

/** Whether `value` is a hook. */
export function isHook(value: unknown): value is Hook {
  return typeof value === "object" && value !== null && HOOK in value;
}

/** A verified request as the hook's `input` sees it. */
export function deliveryOf(hook: string, id: string, request: WebhookRequest): WebhookDelivery {
  const { body, receivedAt } = request;
  const text = () => decode(hook, body);
  return {
    hook,
    id,
    body,
    receivedAt,
    headers: joinedHeaders(request.headers),
    text,
    json: () => parse(hook, text()),
    form: () => Object.fromEntries(new URLSearchParams(text())),
  };
}

function joinedHeaders(headers: WebhookRequest["headers"]): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    joined[key] = Object.hasOwn(joined, key) ? `${joined[key]}, ${value}` : value;
  }
  return joined;
}

function decode(hook: string, body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(body);
  } catch (cause) {
    throw new ValidationError(
      "BODY_INVALID",
      `expected the body of a delivery to the hook "${hook}" to be UTF-8`,
      { hook },
      { cause },
    );
  }
}

function parse(hook: string, text: string): unknown {
  const json = parseJson(hook, text);
  if (!isDeeper(json, PAYLOAD_DEPTH_MAX)) return json;
  throw new ValidationError(
    "BODY_INVALID",
    `expected the body of a delivery to the hook "${hook}" to have at most ${PAYLOAD_DEPTH_MAX} levels, but found more`,
    { hook, max: PAYLOAD_DEPTH_MAX },
  );
}

function parseJson(hook: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new ValidationError(
      "BODY_INVALID",
      `expected the body of a delivery to the hook "${hook}" to be JSON, but: ${found}`,
      { hook },
      { cause },
    );
  }
}
