/**
 * What a hook does with a delivery. It asks the hook's own functions and nothing else, so a delivery can be decided about
 * again, or for a look alone.
 */
import { isVarveError, ValidationError, type VarveError } from "../kernel/errors.ts";
import { clipText, isPathStep, isStorableText } from "../kernel/text.ts";
import { validate } from "../kernel/validate.ts";
import type { Hook, WebhookDelivery } from "./hook.ts";

/** What is to be done. */
export type Decision =
  | { readonly kind: "start"; readonly input: unknown }
  | { readonly kind: "signal"; readonly runId: string; readonly name: string; readonly payload: unknown }
  | { readonly kind: "ignore"; readonly reason: DecisionReason }
  | { readonly kind: "invalid"; readonly reason: DecisionReason };

/** Why a delivery started nothing. */
export interface DecisionReason {
  /** Stable: `FILTERED`, `NO_RUN`, `RUN_NOT_FOUND`, `RUN_OVER`, `INPUT_INVALID`, `BODY_INVALID` and others. */
  readonly code: string;
  readonly message: string;
}

/** The longest message that is kept. */
const MESSAGE_LENGTH_MAX = 2_000;

/** The longest id of a delivery. */
const KEY_LENGTH_MAX = 128;

/**
 * Decides about a delivery. A hook's function that throws anything but a ValidationError has a fault, which is thrown: then
 * nothing is decided, and the sender may try again.
 */
export async function decide(hook: Hook, delivery: WebhookDelivery): Promise<Decision> {
  return await orInvalid(async () => {
    const objection = await objectionOf(hook, delivery);
    if (objection !== null) return ignored("FILTERED", objection);
    const { target } = hook;
    if (target.kind === "start") {
      const what = `the input of workflow "${target.workflow.name}"`;
      const input = await validate(what, target.workflow.input, await target.input(delivery), "INPUT_INVALID");
      return { kind: "start", input };
    }
    const { name, run, payload } = target.signal;
    const runId = await run(delivery);
    if (runId === null || runId === undefined) return ignored("NO_RUN", "the hook found no run for it");
    return {
      kind: "signal",
      runId,
      name: typeof name === "string" ? name : name(delivery),
      payload: await payload(delivery),
    };
  });
}

/** What does not fit is decided about: it will not fit the next time either. */
export async function orInvalid<T>(act: () => Promise<T>): Promise<T | Extract<Decision, { kind: "invalid" }>> {
  try {
    return await act();
  } catch (error) {
    if (!isMisfit(error)) throw error;
    return { kind: "invalid", reason: reasonOf(error.code, error.message) };
  }
}

function isMisfit(error: unknown): error is VarveError {
  return isVarveError(error) && (error.name === "ValidationError" || error.name === "PayloadError");
}

/** By what a repeat of a delivery is known. */
export async function keyOf(hook: Hook, delivery: WebhookDelivery): Promise<string> {
  if (hook.key === undefined) return delivery.id;
  const key = await hook.key(delivery);
  const isText = typeof key === "string" && key !== "" && key.length <= KEY_LENGTH_MAX && isStorableText(key);
  if (isText && !isPathStep(key)) return key;
  throw new ValidationError(
    "DELIVERY_KEY_INVALID",
    `expected key of the hook "${hook.name}" to return a text of 1 to ${KEY_LENGTH_MAX} characters without NUL and lone surrogates, and not "." or "..", but found ${typeof key === "string" ? `${key.length} characters` : typeof key}`,
    { hook: hook.name },
  );
}

async function objectionOf({ filter }: Hook, delivery: WebhookDelivery): Promise<string | null> {
  if (filter === undefined) return null;
  if (typeof filter === "function") return (await filter(delivery)) ? null : "the hook's filter said no";
  const objection = filter.objection(delivery);
  return objection === null ? null : `the filter ${filter.text} takes it not: ${objection}`;
}

function ignored(code: string, message: string): Extract<Decision, { kind: "ignore" }> {
  return { kind: "ignore", reason: reasonOf(code, message) };
}

function reasonOf(code: string, message: string): DecisionReason {
  return { code, message: clipText(message, MESSAGE_LENGTH_MAX).replaceAll("\0", "") };
}
