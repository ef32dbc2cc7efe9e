/** Outgoing webhooks: what became of them, and how to try again. */
import * as z from "zod";
import { definedOf } from "../defined.ts";
import { jsonResponse } from "../json.ts";
import { wholeNumber } from "../query.ts";
import { type Route, route } from "../route.ts";
import * as wire from "../wire.ts";
import * as notifications from "../wire-notifications.ts";

const NOTIFICATIONS = `${wire.API_PATH}/notifications`;
const ENDPOINTS = `${NOTIFICATIONS}/endpoints`;

const endpointParams = z.object({ name: wire.nameSchema.describe("The name of an endpoint.") });

const notFound = { description: "There is no such endpoint, or notification.", schema: wire.problemSchema };

const listNotifications = route({
  id: "listNotifications",
  method: "GET",
  path: NOTIFICATIONS,
  access: "runs:read",
  summary: "Outgoing webhooks and what became of them, latest event first.",
  query: z.object({
    endpoint: wire.nameSchema.optional().describe("The name of an endpoint."),
    status: z.enum(notifications.NOTIFICATION_STATUSES).optional(),
    limit: wholeNumber(1, wire.WIRE_LIMITS.runsPage.max).optional(),
    cursor: wire.nameSchema.optional().describe("What the page before returned."),
  }),
  answers: { 200: { description: "A page of them.", schema: notifications.notificationPageSchema } },
  handle: async ({ engine, query }) => jsonResponse(200, await engine.notifications.list(definedOf(query))),
});

const listEndpoints = route({
  id: "listEndpoints",
  method: "GET",
  path: ENDPOINTS,
  access: "runs:read",
  summary: "The endpoints of outgoing webhooks, by name.",
  answers: { 200: { description: "The endpoints.", schema: notifications.endpointListSchema } },
  handle: async ({ engine }) => jsonResponse(200, { endpoints: await engine.notifications.endpoints() }),
});

const retryNotifications = route({
  id: "retryNotifications",
  method: "POST",
  path: `${ENDPOINTS}/:name/retry`,
  access: "runs:write",
  summary: "Sends a notification again, or those of an endpoint that were given up.",
  params: endpointParams,
  body: notifications.retryNotificationsSchema,
  answers: {
    202: { description: "How many are sent again.", schema: notifications.notificationCountSchema },
    404: notFound,
  },
  handle: async ({ engine, params: { name }, body: { position } }) =>
    jsonResponse(202, { count: await engine.notifications.retry(name, position) }),
});

const enableEndpoint = route({
  id: "enableEndpoint",
  method: "POST",
  path: `${ENDPOINTS}/:name/enable`,
  access: "runs:write",
  summary: "Sends to an endpoint again that was disabled, or asked for rest.",
  params: endpointParams,
  body: wire.emptyRequestSchema,
  answers: {
    202: { description: "The endpoint is sent to.", schema: notifications.endpointEnabledSchema },
    404: notFound,
  },
  handle: async ({ engine, params: { name } }) => {
    await engine.notifications.enable(name);
    return jsonResponse(202, { name });
  },
});

export const notificationRoutes: readonly Route[] = [
  ...[listNotifications, listEndpoints],
  ...[retryNotifications, enableEndpoint],
];
