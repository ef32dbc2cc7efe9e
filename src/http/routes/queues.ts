/** Queues: what they let in, and how that is changed while they work. */
import * as z from "zod";
import { definedOf } from "../defined.ts";
import { jsonResponse } from "../json.ts";
import { type Route, route } from "../route.ts";
import * as wire from "../wire.ts";

const listQueues = route({
  id: "listQueues",
  method: "GET",
  path: wire.QUEUES_PATH,
  access: "runs:read",
  summary: "The queues, by name: what they let in, and how many are in them.",
  answers: { 200: { description: "The queues.", schema: wire.queueListSchema } },
  handle: async ({ engine }) => jsonResponse(200, { queues: await engine.queues.list() }),
});

const setQueue = route({
  id: "setQueue",
  method: "POST",
  path: `${wire.QUEUES_PATH}/:name`,
  access: "runs:write",
  summary: "Pauses or resumes a queue, or changes how many it lets in, for all workers and until it is changed again.",
  params: z.object({ name: wire.nameSchema }),
  body: wire.queueChangeSchema,
  answers: { 200: { description: "The queue.", schema: wire.queueSchema } },
  handle: async ({ engine, params, body }) => jsonResponse(200, await engine.queues.set(params.name, definedOf(body))),
});

export const queueRoutes: readonly Route[] = [listQueues, setQueue];
