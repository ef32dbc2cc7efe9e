/** Schedules: make, look, change, and ask for what they would not do by themselves. */
import * as z from "zod";
import type { NewScheduleOptions, ScheduleChanges, ScheduleInfo } from "../../engine/api-schedules.ts";
import { NotFoundError } from "../../kernel/errors.ts";
import { definedOf } from "../defined.ts";
import { jsonResponse } from "../json.ts";
import { wholeNumber } from "../query.ts";
import { type Route, route } from "../route.ts";
import { decodeValue, encodeValue } from "../value.ts";
import * as wire from "../wire.ts";
import * as schedules from "../wire-schedules.ts";

const SCHEDULES = `${wire.API_PATH}/schedules`;
const { page, next } = schedules.SCHEDULE_LIMITS;

const params = z.object({ id: wire.nameSchema });
const instant = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const notFound = { description: "There is no such schedule.", schema: wire.problemSchema };
const invalid = { description: "The definition is wrong: where, and what to write.", schema: wire.problemSchema };
const asItIs = { description: "The schedule as it is then.", schema: schedules.scheduleSchema };

const createSchedule = route({
  id: "createSchedule",
  method: "POST",
  path: SCHEDULES,
  access: "runs:write",
  summary: "Makes a schedule. Made again with the same definition, it is the same one.",
  body: schedules.createScheduleRequestSchema,
  answers: {
    200: asItIs,
    400: invalid,
    409: { description: "The id has another definition.", schema: wire.problemSchema },
    422: { description: "The input does not fit the workflow.", schema: wire.problemSchema },
  },
  handle: async ({ engine, body: { spec, input, inputMeta, ...rest } }) => {
    const value = decodeValue("input", input, inputMeta);
    // What is wrong with a spec is the engine's to say, with its place.
    const options = { ...spec, ...definedOf({ ...rest, input: value }) } as NewScheduleOptions;
    return jsonResponse(200, encodeSchedule(await engine.schedules.create(options)));
  },
});

const listSchedules = route({
  id: "listSchedules",
  method: "GET",
  path: SCHEDULES,
  access: "runs:read",
  summary: "Lists schedules by id.",
  query: z.strictObject({
    limit: wholeNumber(1, page.max).optional().describe(`At most so many; ${page.default} if not given.`),
    cursor: wire.nameSchema.optional().describe("What the page before returned."),
  }),
  answers: { 200: { description: "A page.", schema: schedules.schedulesPageSchema } },
  handle: async ({ engine, query }) => {
    const found = await engine.schedules.list(definedOf(query));
    return jsonResponse(200, { schedules: found.schedules.map(encodeSchedule), cursor: found.cursor });
  },
});

const getSchedule = route({
  id: "getSchedule",
  method: "GET",
  path: `${SCHEDULES}/:id`,
  access: "runs:read",
  summary: "A schedule as it stands.",
  params,
  answers: { 200: asItIs, 404: notFound },
  handle: async ({ engine, params: { id } }) => {
    const found = await engine.schedules.get(id);
    if (found === null) {
      throw new NotFoundError("SCHEDULE_NOT_FOUND", `expected a schedule ${JSON.stringify(id)}, but there is none`, {
        id,
      });
    }
    return jsonResponse(200, encodeSchedule(found));
  },
});

const updateSchedule = route({
  id: "updateSchedule",
  method: "POST",
  path: `${SCHEDULES}/:id`,
  access: "runs:write",
  summary: "Changes a definition. What was due before is decided by the old one.",
  params,
  body: schedules.updateScheduleRequestSchema,
  answers: { 200: asItIs, 400: invalid, 404: notFound },
  handle: async ({ engine, params: { id }, body }) => {
    const { spec = {}, input, inputMeta, ...rest } = body;
    const value = Object.hasOwn(body, "input") ? { input: decodeValue("input", input, inputMeta) } : {};
    const changes = { ...spec, ...definedOf(rest), ...value } as ScheduleChanges;
    return jsonResponse(200, encodeSchedule(await engine.schedules.update(id, changes)));
  },
});

const pauseSchedule = route({
  id: "pauseSchedule",
  method: "POST",
  path: `${SCHEDULES}/:id/pause`,
  access: "runs:write",
  summary: "Holds a schedule: its instants are skipped. Does not move them.",
  params,
  body: schedules.pauseScheduleRequestSchema,
  answers: { 200: asItIs, 404: notFound },
  handle: async ({ engine, params: { id }, body }) =>
    jsonResponse(200, encodeSchedule(await engine.schedules.pause(id, definedOf(body)))),
});

const resumeSchedule = route({
  id: "resumeSchedule",
  method: "POST",
  path: `${SCHEDULES}/:id/resume`,
  access: "runs:write",
  summary: "Lets a schedule go on.",
  params,
  body: wire.emptyRequestSchema,
  answers: { 200: asItIs, 404: notFound },
  handle: async ({ engine, params: { id } }) => jsonResponse(200, encodeSchedule(await engine.schedules.resume(id))),
});

const triggerSchedule = route({
  id: "triggerSchedule",
  method: "POST",
  path: `${SCHEDULES}/:id/trigger`,
  access: "runs:write",
  summary: "Starts a run now, whatever else runs.",
  params,
  body: wire.emptyRequestSchema,
  answers: { 201: { description: "The run is durable.", schema: schedules.triggeredSchema }, 404: notFound },
  handle: async ({ engine, params: { id } }) => jsonResponse(201, await engine.schedules.trigger(id)),
});

const backfillSchedule = route({
  id: "backfillSchedule",
  method: "POST",
  path: `${SCHEDULES}/:id/backfill`,
  access: "runs:write",
  summary: "Has the instants of a range fire, also if they did before.",
  params,
  body: schedules.backfillRequestSchema,
  answers: {
    202: { description: "It is durable.", schema: schedules.backfillResultSchema },
    404: notFound,
    422: { description: "The range has too many instants.", schema: wire.problemSchema },
  },
  handle: async ({ engine, params: { id }, body: { from, until, overlap } }) =>
    jsonResponse(202, await engine.schedules.backfill(id, { from, until, ...definedOf({ overlap }) })),
});

const deleteSchedule = route({
  id: "deleteSchedule",
  method: "POST",
  path: `${SCHEDULES}/:id/delete`,
  access: "runs:write",
  summary: "Deletes a schedule with its firings. Its runs go on.",
  params,
  body: wire.emptyRequestSchema,
  answers: { 200: { description: "It is gone.", schema: wire.acceptedSchema }, 404: notFound },
  handle: async ({ engine, params: { id } }) => {
    await engine.schedules.delete(id);
    return jsonResponse(200, { id });
  },
});

const nextInstants = route({
  id: "nextInstants",
  method: "GET",
  path: `${SCHEDULES}/:id/next`,
  access: "runs:read",
  summary: "The next instants, whether or not it is paused.",
  params,
  query: z.strictObject({
    count: wholeNumber(1, next.max).optional().describe(`${next.default} if not given.`),
    after: instant.optional().describe("Milliseconds; now if not given."),
  }),
  answers: { 200: { description: "In order.", schema: schedules.instantsSchema }, 404: notFound },
  handle: async ({ engine, params: { id }, query }) =>
    jsonResponse(200, { instants: await engine.schedules.next(id, definedOf(query)) }),
});

const listFirings = route({
  id: "listFirings",
  method: "GET",
  path: `${SCHEDULES}/:id/firings`,
  access: "runs:read",
  summary: "What became of its instants, latest first.",
  params,
  query: z.strictObject({
    decision: z.enum(["fired", "skipped", "waiting"]).optional(),
    limit: wholeNumber(1, page.max).optional().describe(`At most so many; ${page.default} if not given.`),
    cursor: wire.nameSchema.optional().describe("What the page before returned."),
  }),
  answers: { 200: { description: "A page.", schema: schedules.firingsPageSchema }, 404: notFound },
  handle: async ({ engine, params: { id }, query }) =>
    jsonResponse(200, await engine.schedules.firings(id, definedOf(query))),
});

const whyInstant = route({
  id: "whyInstant",
  method: "GET",
  path: `${SCHEDULES}/:id/why`,
  access: "runs:read",
  summary: "Why an instant did fire, or did not.",
  params,
  query: z.strictObject({ at: instant.describe("The instant, milliseconds.") }),
  answers: { 200: { description: "What is known of it.", schema: schedules.instantInfoSchema }, 404: notFound },
  handle: async ({ engine, params: { id }, query: { at } }) => jsonResponse(200, await engine.schedules.why(id, at)),
});

export const scheduleRoutes: readonly Route[] = [
  ...[createSchedule, listSchedules, getSchedule, updateSchedule, pauseSchedule, resumeSchedule, triggerSchedule],
  ...[backfillSchedule, deleteSchedule, nextInstants, listFirings, whyInstant],
];

function encodeSchedule({ input, ...plain }: ScheduleInfo): object {
  const { value, meta } = encodeValue(input);
  return { ...plain, input: value, ...(meta === undefined ? {} : { inputMeta: meta }) };
}
