/** Messages: publish, list, look at what became of one. */
import * as z from "zod";
import type { MessageInfo } from "../../engine/api-messages.ts";

import { definedOf } from "../defined.ts";
import { idempotencyKeyOf } from "../idempotency-key.ts";
import { jsonResponse, jsonText, pageTexts } from "../json.ts";
import { wholeNumber } from "../query.ts";
import { type Route, route } from "../route.ts";
import { decodeValue, encodeValue } from "../value.ts";
import * as wire from "../wire.ts";
import * as messages from "../wire-messages.ts";

const MESSAGES = `${wire.API_PATH}/messages`;
const { messagesPage } = wire.WIRE_LIMITS;

const publishMessage = route({
  id: "publishMessage",
  method: "POST",
  path: `${MESSAGES}/:topic`,
  access: "runs:write",
  summary: "Publishes a message. The answer follows its commit.",
  params: z.object({ topic: wire.nameSchema }),
  headers: { "Idempotency-Key": "As `id` of the body." },
  body: messages.publishRequestSchema,
  answers: {
    201: { description: "It was published.", schema: messages.publishedSchema },
    200: { description: "It had been published before.", schema: messages.publishedSchema },
  },
  handle: async ({ engine, request, params, body }) => {
    const { at, tags } = body;
    const options = definedOf({ id: idempotencyKeyOf(request, "id", body.id), at, tags });
    const payload = decodeValue("payload", body.payload, body.payloadMeta);
    const published = await engine.publish(params.topic, payload, options);
    return jsonResponse(published.created ? 201 : 200, published);
  },
});

const listMessages = route({
  id: "listMessages",
  method: "GET",
  path: MESSAGES,
  access: "runs:read",
  summary: "Messages that are kept, newest first.",
  query: z.strictObject({
    topic: wire.nameSchema.optional(),
    limit: wholeNumber(1, messagesPage.max)
      .optional()
      .describe(`At most so many; ${messagesPage.default} if not given.`),
    cursor: wire.nameSchema.optional().describe("What the page before returned."),
  }),
  answers: { 200: { description: "A page of messages.", schema: messages.messagePageSchema } },
  handle: async ({ engine, query }) => {
    const { messages, cursor } = await engine.messages({ limit: messagesPage.default, ...definedOf(query) });
    const texts = pageTexts(messages.map(encodeMessage));
    // Payloads can be large: then the page is shorter.
    const last = texts.length < messages.length ? messages[texts.length - 1] : undefined;
    const next = last === undefined ? cursor : String(last.position);
    return jsonText(200, `{"messages":[${texts.join()}],"cursor":${JSON.stringify(next)}}`);
  },
});

const getMessage = route({
  id: "getMessage",
  method: "GET",
  path: `${MESSAGES}/:topic/:id`,
  access: "runs:read",
  summary: "A message and what became of it: which runs it started or woke, and why it did not.",
  params: z.object({ topic: wire.nameSchema, id: wire.nameSchema }),
  answers: {
    200: { description: "The message.", schema: messages.messageDetailSchema },
    404: { description: "There is none, or it has been forgotten.", schema: wire.problemSchema },
  },
  handle: async ({ engine, params }) => {
    const { decisions, more, ...message } = await engine.message(params.topic, params.id);
    return jsonResponse(200, { ...encodeMessage(message), decisions, more });
  },
});

function encodeMessage({ payload, ...message }: MessageInfo): messages.WireMessage {
  const { value, meta } = encodeValue(payload);
  return { ...message, payload: value, ...(meta === undefined ? {} : { payloadMeta: meta }) };
}

export const messageRoutes: readonly Route[] = [publishMessage, listMessages, getMessage];
