/** The wire of outgoing webhooks: their bodies, in and out, as `wire.ts` has those of runs. */
import * as z from "zod";
import type { EndpointInfo, NotificationInfo, NotificationStatus } from "../engine/api-notifications.ts";
import { named } from "./wire.ts";

export const NOTIFICATION_STATUSES: readonly [NotificationStatus, ...NotificationStatus[]] = [
  "pending",
  "delivered",
  "dead",
];

const notificationSchema = named(
  "Notification",
  "An outgoing webhook: one event, to one endpoint.",
  z.object({
    id: z.string().describe("What the receiver gets as `webhook-id`: the same at each sending."),
    endpoint: z.string(),
    position: z.number().int().describe("The event's, in the log."),
    runId: z.string(),
    seq: z.number().int().describe("The event's place in its run."),
    type: z.string().describe("The event's."),
    status: z.enum(NOTIFICATION_STATUSES).describe("`dead`: given up; it is kept for 30 days and can be retried."),
    tries: z.number().int().describe("How often it was sent."),
    createdAt: z.number().int(),
    firstAt: z.number().int().nullable().describe("When it was sent first."),
    dueAt: z.number().int().nullable().describe("When it is sent next; null: it is not pending."),
    endedAt: z.number().int().nullable(),
    note: z.string().nullable().describe("What the last try came to."),
  } satisfies Record<keyof NotificationInfo, unknown>),
);

export const notificationPageSchema = named(
  "NotificationPage",
  "Outgoing webhooks, latest event first.",
  z.object({
    notifications: z.array(notificationSchema),
    cursor: z.string().nullable().describe("Gives the next page; null: this is the last."),
  }),
);

export const endpointListSchema = named(
  "EndpointList",
  "The endpoints of outgoing webhooks, by name.",
  z.object({
    endpoints: z.array(
      z.object({
        name: z.string(),
        position: z.number().int().describe("The last position of the log that was looked at for it."),
        restUntil: z.number().int().nullable().describe("It asked for no request before then."),
        disabledAt: z.number().int().nullable().describe("Since when nothing is sent, because it answered 410."),
      } satisfies Record<keyof EndpointInfo, unknown>),
    ),
  }),
);

export const retryNotificationsSchema = named(
  "RetryNotifications",
  "Which to send again.",
  z.object({
    position: z.number().int().min(1).optional().describe("The event's; none: up to 1,000 of those that are dead."),
  }),
);

export const notificationCountSchema = named(
  "NotificationCount",
  "How many are sent again.",
  z.object({ count: z.number().int() }),
);

export const endpointEnabledSchema = named(
  "EndpointEnabled",
  "The endpoint is sent to.",
  z.object({ name: z.string() }),
);

export type WireNotificationPage = z.infer<typeof notificationPageSchema>;
export type WireEndpointList = z.infer<typeof endpointListSchema>;
export type WireNotificationCount = z.infer<typeof notificationCountSchema>;
