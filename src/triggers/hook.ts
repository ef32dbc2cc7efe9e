/** A hook: webhook requests of one sender, and the workflow that they start. */
import { PAYLOAD_DEPTH_MAX } from "../kernel/codec.ts";
import { DefinitionError, ValidationError } from "../kernel/errors.ts";
import { isDeeper, type Json } from "../kernel/json.ts";
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
}

export interface HookOptions<Input> {
  /** Its place: `POST /hooks/<name>`. Letters, digits, `-` and `_`. */
  readonly name: string;
  readonly scheme: WebhookScheme;
  readonly workflow: WorkflowRef<Input, unknown, never>;
  /** Makes the workflow's input. @default the body as JSON */
  readonly input?: (delivery: WebhookDelivery) => Input | Promise<Input>;
}

export interface Hook {
  readonly name: string;
  readonly scheme: WebhookScheme;
  readonly workflow: WorkflowRef<never, unknown, never>;
  readonly input: (delivery: WebhookDelivery) => unknown;
  readonly [HOOK]: true;
}

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Defines a hook: each request with a good signature starts one run, and a repeat of it finds the same run.
 *
 * @throws DefinitionError `HOOK_INVALID`
 * @example
 * export const githubHook = webhook({
 *   name: "github",
 *   scheme: github({ secrets: () => [process.env.GITHUB_WEBHOOK_SECRET ?? ""] }),
 *   workflow: triage,
 *   input: (delivery) => ({ event: delivery.headers["x-github-event"], payload: delivery.json() }),
 * });
 */
export function webhook<Input>(options: HookOptions<Input>): Hook {
  const { name, scheme, workflow } = options;
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new DefinitionError(
      "HOOK_INVALID",
      `expected the name of a hook to have the form ${NAME.source}, but found ${JSON.stringify(name)}`,
      { name },
    );
  }
  const input = options.input ?? ((delivery: WebhookDelivery) => delivery.json());
  return { name, scheme, workflow: workflow as WorkflowRef, input, [HOOK]: true };
}

/** Whether `value` is a hook. */
export function isHook(value: unknown): value is Hook {
  return typeof value === "object" && value !== null && HOOK in value;
}

/** A verified request as the hook's `input` sees it. */
export function deliveryOf(hook: string, id: string, request: WebhookRequest): WebhookDelivery {
  const { body, receivedAt } = request;
  const text = () => decode(hook, body);
  return { hook, id, body, receivedAt, headers: joinedHeaders(request.headers), text, json: () => parse(hook, text()) };
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
