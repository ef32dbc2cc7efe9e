/** Webhooks: a signed request starts a run. */
import * as z from "zod";
import type { DeliveryOutcome } from "../../engine/api.ts";
import type { Logger } from "../../kernel/ports.ts";
import { clipText, NAME_LENGTH_MAX } from "../../kernel/text.ts";
import { readBody } from "../body.ts";
import { jsonResponse } from "../json.ts";
import { RefusalError } from "../problem.ts";
import { type Route, route } from "../route.ts";
import * as wire from "../wire.ts";

const deliverHook = route({
  id: "deliver",
  method: "POST",
  path: "/hooks/:name",
  access: "signature",
  summary: "Takes a webhook and starts its run, once however often it comes. The answer follows the commit.",
  params: z.object({ name: z.string() }),
  rawBody: { description: "Whatever the sender sends.", contentTypes: ["*/*"], required: true },
  answers: {
    202: { description: "The delivery and its run are durable.", schema: wire.deliverySchema },
    401: { description: "There is no such hook, or the signature is not good.", schema: wire.problemSchema },
    413: { description: "The body is too large.", schema: wire.problemSchema },
    422: { description: "The body does not fit the workflow's input.", schema: wire.problemSchema },
  },
  handle: async ({ site, engine, request, params: { name } }) => {
    const body = await readBody(request, site.hookBytesMax);
    const outcome = await engine.deliver(name, { headers: [...request.headers], body });
    if (outcome.kind === "refused") {
      logRefused(site.engine.ports.logger, name, outcome);
      throw new RefusalError("HOOK_REFUSED", "expected a hook of this name and a good signature of it");
    }
    const { run, deliveryId } = outcome;
    return jsonResponse(202, { runId: run.id, created: run.created, deliveryId });
  },
});

type Refused = Extract<DeliveryOutcome, { kind: "refused" }>;

/** The sender is told nothing; whoever set the hook up needs to know why. Names without a hook come from scanners. */
function logRefused(logger: Logger, hook: string, { reason, detail }: Refused): void {
  const level = reason === "unknown-hook" ? "info" : "warn";
  logger.log(level, "a webhook was refused", { hook: clipText(hook, NAME_LENGTH_MAX), reason, detail });
}

export const hookRoutes: readonly Route[] = [deliverHook];
