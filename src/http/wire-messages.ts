/** The wire of messages: their bodies, in and out, as `wire.ts` has those of runs. */
import * as z from "zod";
import type { MessageDecision, MessageInfo, PublishedMessage } from "../engine/api-messages.ts";
import { instantSchema, named, nameSchema, payloadMetaSchema, tagsSchema } from "./wire.ts";

export const publishRequestSchema = named(
  "PublishRequest",
  "Publishes a message on the topic of the path.",
  z.strictObject({
    payload: z.unknown().optional(),
    payloadMeta: payloadMetaSchema.optional(),
    id: nameSchema
      .optional()
      .describe("Names it on its topic: published again, it is the same one. Also as the header Idempotency-Key."),
    at: instantSchema.optional().describe("When it happened, milliseconds; now, if not given."),
    tags: tagsSchema.optional(),
  }),
);

export const publishedSchema = named(
  "PublishedMessage",
  "The message is durable.",
  z.object({
    topic: z.string(),
    id: z.string(),
    position: z.number().int().describe("Its order among all messages."),
    created: z.boolean().describe("False: it had been published before."),
  } satisfies Record<keyof PublishedMessage, unknown>),
);

const messageFields = {
  topic: z.string(),
  id: z.string(),
  position: z.number().int().describe("Its order among all messages."),
  payload: z.unknown().optional(),
  payloadMeta: payloadMetaSchema.optional(),
  tags: z.record(z.string(), z.string()),
  at: instantSchema,
  publishedAt: instantSchema,
  dispatchedAt: instantSchema.nullable().describe("Null: what becomes of it is not decided yet."),
} satisfies Record<keyof MessageInfo | "payloadMeta", unknown>;

const messageSchema = named("Message", "A message as it is kept.", z.object(messageFields));

export const messagePageSchema = named(
  "MessagePage",
  "Messages, newest first.",
  z.object({
    messages: z.array(messageSchema),
    cursor: z.string().nullable().describe("Gives the next page; null: the last."),
  }),
);

export const messageDetailSchema = named(
  "MessageDetail",
  "A message and what became of it.",
  z.object({
    ...messageFields,
    decisions: z.array(
      z.object({
        subject: z.string().describe("The subscription, as workflow/name, or the key of the call that waited."),
        decision: z.enum(["started", "filtered", "debounced", "batched", "woke", "cancelled", "invalid"]),
        reason: z.string().nullable().describe("Why it started nothing."),
        runId: z.string().nullable(),
      } satisfies Record<keyof MessageDecision, unknown>),
    ),
    more: z.boolean().describe("Whether there are more decisions."),
  }),
);

export type WireMessage = z.infer<typeof messageSchema>;
export type WireMessagePage = z.infer<typeof messagePageSchema>;
export type WireMessageDetail = z.infer<typeof messageDetailSchema>;
