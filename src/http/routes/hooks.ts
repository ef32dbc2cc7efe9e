/** Webhooks: a signed request starts a run or tells one something, as its hook decides. */
import * as z from "zod";
import type { DecidedOutcome, DeliveryOutcome } from "../../engine/api-deliveries.ts";
import type { StartedRun } from "../../engine/api-run.ts";
import { isVarveError, ValidationError } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/ports.ts";
import { clipText, NAME_LENGTH_MAX } from "../../kernel/text.ts";
import { readBody } from "../body.ts";
import { encodeOutcome } from "../encode-outcome.ts";
import { jsonResponse } from "../json.ts";
import { RefusalError } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { encodeValue } from "../value.ts";
import * as wire from "../wire.ts";
import * as deliveries from "../wire-deliveries.ts";
import { RUNS } from "./runs.ts";

const location = { Location: "The run's place." };

const deliverHook = route({
  id: "deliver",
  method: "POST",
  path: "/hooks/:name",
  access: "signature",
  summary:
    "Takes a webhook and does what its hook decides, once however often it comes. The answer follows the commit.",
  params: z.object({ name: z.string() }),
  rawBody: { description: "Whatever the sender sends.", contentTypes: ["*/*"], required: true },
  answers: {
    200: {
      description:
        "The run of a hook that responds with its result is over; or, to who asks whether we are there, its text.",
      schema: deliveries.deliveryResultSchema,
    },
    202: { description: "What was decided is durable.", schema: deliveries.deliverySchema, headers: location },
    400: { description: "The body does not fit the signal that it becomes.", schema: wire.problemSchema },
    401: { description: "There is no such hook, or the signature is not good.", schema: wire.problemSchema },
    413: { description: "The body is too large.", schema: wire.problemSchema },
    422: { description: "The body does not fit what the hook takes.", schema: wire.problemSchema },
    424: {
      description: "The run of a hook that responds with its result failed or was cancelled.",
      schema: wire.problemSchema,
    },
    429: { description: "The run that it is for takes no more signals at the moment.", schema: wire.problemSchema },
  },
  handle: async ({ site, engine, request, params: { name }, isLocal }) => {
    const body = await readBody(request, site.hookBytesMax);
    const outcome = await engine.deliver(name, { headers: [...request.headers], body, isLocal: isLocal() });
    switch (outcome.kind) {
      case "refused":
        logRefused(site.engine.ports.logger, name, outcome);
        throw new RefusalError("HOOK_REFUSED", "expected a hook of this name and a good signature of it");
      case "answered":
        return new Response(outcome.text, { headers: { "content-type": "text/plain; charset=utf-8" } });
      case "accepted":
        if (outcome.resultWithinMs !== null) return await resultOf(outcome, outcome.resultWithinMs, request);
        return accepted(outcome);
      case "invalid":
        throw misfit(name, outcome);
    }
  },
});

type Accepted = Extract<DecidedOutcome, { kind: "accepted" }>;
type Invalid = Extract<DecidedOutcome, { kind: "invalid" }>;

function accepted(outcome: Accepted): Response {
  const { run } = outcome;
  // Relative to the request, so that it holds wherever the app is mounted.
  const place = run === null ? {} : { location: `..${RUNS}/${encodeURIComponent(run.id)}` };
  return jsonResponse(202, encodeOutcome(outcome), place);
}

/** Waits for the run; when that takes too long, the sender is told where it is. */
async function resultOf(
  outcome: Accepted & { run: StartedRun },
  withinMs: number,
  request: Request,
): Promise<Response> {
  const { run } = outcome;
  try {
    const output = await run.result({ timeout: withinMs, signal: request.signal });
    const { value, meta } = encodeValue(output);
    const outputMeta = meta === undefined ? {} : { outputMeta: meta };
    return jsonResponse(200, { runId: run.id, output: value, ...outputMeta });
  } catch (error) {
    if (isVarveError(error, "RESULT_TIMEOUT")) return accepted(outcome);
    if (isVarveError(error, "RUN_FAILED") || isVarveError(error, "RUN_CANCELLED")) throw unfinished(error.code, run.id);
    throw error;
  }
}

/** Without its inside: the sender is no reader of histories. */
function unfinished(code: string, runId: string): RefusalError {
  const what = code === "RUN_FAILED" ? "failed" : "was cancelled";
  return new RefusalError(code, `expected run ${runId} to complete, but it ${what}; its history says why`, { runId });
}

function misfit(hook: string, { deliveryId, reason: { code, message } }: Invalid): ValidationError {
  return new ValidationError(code, message, { hook, deliveryId });
}

type Refused = Extract<DeliveryOutcome, { kind: "refused" }>;

/** The sender is told nothing; whoever set the hook up needs to know why. Names without a hook come from scanners. */
function logRefused(logger: Logger, hook: string, { reason, detail }: Refused): void {
  const level = reason === "unknown-hook" ? "info" : "warn";
  logger.log(level, "a webhook was refused", { hook: clipText(hook, NAME_LENGTH_MAX), reason, detail });
}

export const hookRoutes: readonly Route[] = [deliverHook];
