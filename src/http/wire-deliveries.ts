/** The wire of incoming webhooks: their bodies, in and out, as `wire.ts` has those of runs. */
import * as z from "zod";
import type { Delivery, DeliveryDecision, DeliveryInfo, RefusedRequest } from "../engine/api-deliveries.ts";
import { instantSchema, named, payloadMetaSchema } from "./wire.ts";

const DELIVERY_DECISIONS: readonly [DeliveryDecision, ...DeliveryDecision[]] = [
  ...(["started", "signalled", "ignored", "invalid"] as const),
];

type DecisionReason = NonNullable<DeliveryInfo["reason"]>;

const decisionReasonSchema = z.object({
  code: z.string().describe("Stable: `FILTERED`."),
  message: z.string(),
} satisfies Record<keyof DecisionReason, unknown>);

export const decisionSchema = z.enum(DELIVERY_DECISIONS).describe("What a delivery came to.");

export const deliverySchema = named(
  "DeliveryAccepted",
  "What was decided about the delivery is durable.",
  z.object({
    deliveryId: z.string(),
    replay: z.number().int().describe("0: the request itself; else the number of its replay."),
    decision: decisionSchema,
    runId: z.string().nullable().describe("The run that it started, or told."),
    created: z.boolean().describe("Whether it made the run. False also when this delivery had come before."),
    reason: decisionReasonSchema.nullable().describe("Why nothing came of it."),
  }),
);

export const deliveryResultSchema = named(
  "DeliveryResult",
  "What the run of the delivery came to.",
  z.object({ runId: z.string(), output: z.unknown().optional(), outputMeta: payloadMetaSchema.optional() }),
);

const deliveryInfo = {
  hook: z.string(),
  id: z.string().describe("The sender's."),
  replay: z.number().int().describe("0: the request itself; else the number of its replay."),
  receivedAt: instantSchema,
  decision: decisionSchema,
  runId: z.string().nullable().describe("The run that it started, or told."),
  reason: decisionReasonSchema.nullable().describe("Why nothing came of it."),
  bytes: z.number().int().describe("The length of its body."),
} satisfies Record<keyof DeliveryInfo, unknown>;

const deliveryInfoSchema = named("Delivery", "A webhook delivery as it was decided about.", z.object(deliveryInfo));

export const deliveryContentSchema = named(
  "DeliveryContent",
  "A webhook delivery with what was sent.",
  z.object({
    ...deliveryInfo,
    headers: z.record(z.string(), z.string()).describe("By lower-case name, without those that are secrets."),
    body: z.string().describe("In base64."),
  } satisfies Record<keyof Delivery, unknown>),
);

export const deliveryPageSchema = named(
  "DeliveryPage",
  "Webhook deliveries, newest first.",
  z.object({
    deliveries: z.array(deliveryInfoSchema),
    cursor: z.string().nullable().describe("Gives the next page; null: the last."),
  }),
);

export const refusedRequestsSchema = named(
  "RefusedRequests",
  "Requests to hooks about which nothing was decided, newest first: the last of this process.",
  z.object({
    refused: z.array(
      z.object({
        hook: z.string(),
        at: instantSchema,
        reason: z.string(),
        detail: z.string(),
      } satisfies Record<keyof RefusedRequest, unknown>),
    ),
  }),
);

export type WireDelivery = z.infer<typeof deliverySchema>;
export type WireDeliveryResult = z.infer<typeof deliveryResultSchema>;
export type WireDeliveryContent = z.infer<typeof deliveryContentSchema>;
export type WireDeliveryPage = z.infer<typeof deliveryPageSchema>;
export type WireRefusedRequests = z.infer<typeof refusedRequestsSchema>;
