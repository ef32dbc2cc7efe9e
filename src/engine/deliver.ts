/** A webhook request becomes a run, or is refused. */
import { toFailure } from "../kernel/failure.ts";
import { validate } from "../kernel/validate.ts";
import type { DeliveryRow } from "../log/port.ts";
import { deliveryOf, type Hook } from "../triggers/hook.ts";
import type { WebhookRequest } from "../triggers/scheme.ts";
import type { DeliveryOutcome, StartedRun } from "./api.ts";

/** Headers that prove who sends: kept, they would be a secret in the log. */
const SECRET_HEADERS = new Set(["authorization", "cookie", "proxy-authorization", "x-gitlab-token"]);

/** Verifies a request and starts its run: what both are is stored in one write. */
export async function deliver(
  hook: Hook | undefined,
  request: WebhookRequest,
  start: (hook: Hook, input: unknown, delivery: DeliveryRow, idempotencyKey: string) => Promise<StartedRun>,
): Promise<DeliveryOutcome> {
  if (hook === undefined) return { kind: "refused", reason: "unknown-hook", detail: "no hook has this name" };
  const verification = await verify(hook, request);
  if (!verification.ok) return { kind: "refused", reason: verification.reason, detail: verification.detail };
  const { deliveryId } = verification;
  const delivery = deliveryOf(hook.name, deliveryId, request);
  const { workflow } = hook;
  const input = await validate(
    `the input of workflow "${workflow.name}"`,
    workflow.input,
    await hook.input(delivery),
    "INPUT_INVALID",
  );
  const kept = Object.entries(delivery.headers).filter(([name]) => !SECRET_HEADERS.has(name));
  const { body, receivedAt } = request;
  const row = { hook: hook.name, deliveryId, receivedAt, headers: Object.fromEntries(kept), body };
  const run = await start(hook, input, row, `hook/${hook.name}/${deliveryId}`);
  return { kind: "accepted", deliveryId, run };
}

/** A scheme that throws refuses: a hook fails closed. */
async function verify(hook: Hook, request: WebhookRequest): ReturnType<Hook["scheme"]["verify"]> {
  try {
    return await hook.scheme.verify(request);
  } catch (error) {
    return { ok: false, reason: "signature-wrong", detail: `the scheme failed: ${toFailure(error).message}` };
  }
}
