/** Webhook deliveries: what was decided about each, and another decision about one. */
import * as z from "zod";
import type { Delivery } from "../../engine/api-deliveries.ts";
import { toBase64 } from "../../kernel/base64.ts";
import { NotFoundError } from "../../kernel/errors.ts";
import { definedOf } from "../defined.ts";
import { encodeOutcome } from "../encode-outcome.ts";
import { jsonResponse } from "../json.ts";
import { wholeNumber } from "../query.ts";
import { type Route, route } from "../route.ts";
import * as wire from "../wire.ts";
import * as deliveries from "../wire-deliveries.ts";

const DELIVERIES = `${wire.API_PATH}/deliveries`;
const { deliveriesPage } = wire.WIRE_LIMITS;

const deliveryParams = z.object({ hook: wire.nameSchema, id: wire.nameSchema });

const notFound = { description: "There is no such delivery, or it is no longer kept.", schema: wire.problemSchema };

const listDeliveries = route({
  id: "listDeliveries",
  method: "GET",
  path: DELIVERIES,
  access: "runs:read",
  summary: "Webhook deliveries that were decided about, newest first.",
  query: z.strictObject({
    hook: wire.nameSchema.optional(),
    decision: deliveries.decisionSchema.optional(),
    limit: wholeNumber(1, deliveriesPage.max)
      .optional()
      .describe(`At most so many; ${deliveriesPage.default} if not given.`),
    cursor: wire.nameSchema.optional().describe("What the page before returned."),
  }),
  answers: { 200: { description: "A page of deliveries.", schema: deliveries.deliveryPageSchema } },
  handle: async ({ engine, query }) => {
    return jsonResponse(200, await engine.deliveries.list({ limit: deliveriesPage.default, ...definedOf(query) }));
  },
});

const listRefused = route({
  id: "listRefusedRequests",
  method: "GET",
  path: `${DELIVERIES}/refused`,
  access: "runs:read",
  summary: "Why requests to hooks started nothing that no decision is recorded about: the last of this process.",
  answers: { 200: { description: "They, newest first.", schema: deliveries.refusedRequestsSchema } },
  handle: async ({ engine }) => jsonResponse(200, { refused: await engine.deliveries.refused() }),
});

const getDelivery = route({
  id: "getDelivery",
  method: "GET",
  path: `${DELIVERIES}/:hook/:id`,
  access: "runs:read",
  summary: "A webhook delivery with what was sent.",
  params: deliveryParams,
  query: z.strictObject({
    replay: wholeNumber(0, Number.MAX_SAFE_INTEGER)
      .default(0)
      .describe("The number of its replay; 0: the request itself."),
  }),
  answers: { 200: { description: "The delivery.", schema: deliveries.deliveryContentSchema }, 404: notFound },
  handle: async ({ engine, params: { hook, id }, query }) => {
    const delivery = await engine.deliveries.get(hook, id, query);
    if (delivery !== null) return jsonResponse(200, encodeDelivery(delivery));
    throw new NotFoundError("DELIVERY_NOT_FOUND", `expected a delivery ${id} of the hook "${hook}", but found none`, {
      hook,
      id,
    });
  },
});

function encodeDelivery(delivery: Delivery): deliveries.WireDeliveryContent {
  return { ...delivery, body: toBase64(delivery.body) };
}

const replayDelivery = route({
  id: "replayDelivery",
  method: "POST",
  path: `${DELIVERIES}/:hook/:id/replay`,
  access: "runs:write",
  summary: "Decides about a webhook delivery once more, with its hook as it is now.",
  params: deliveryParams,
  body: wire.emptyRequestSchema,
  answers: {
    202: { description: "What was decided is durable.", schema: deliveries.deliverySchema },
    404: { description: "There is no such delivery, or no such hook.", schema: wire.problemSchema },
  },
  handle: async ({ engine, params: { hook, id } }) => {
    return jsonResponse(202, encodeOutcome(await engine.deliveries.replay(hook, id)));
  },
});

export const deliveryRoutes: readonly Route[] = [listDeliveries, listRefused, getDelivery, replayDelivery];
