/** Runs: start, list, look, wait. What they are told is in `control.ts`. */
import * as z from "zod";
import type { RunHandle, RunInfo, StartedRun, StartOptions } from "../../engine/api-run.ts";
import { isVarveError } from "../../kernel/errors.ts";
import { isTerminalStatus } from "../../kernel/state.ts";
import { definedOf } from "../defined.ts";
import { encodeRun } from "../encode-run.ts";
import { idempotencyKeyOf } from "../idempotency-key.ts";
import { jsonResponse, jsonText, pageTexts } from "../json.ts";
import { listOf, tagFilter, wholeNumber } from "../query.ts";
import { type Call, type Route, route } from "../route.ts";
import { decodeValue } from "../value.ts";
import * as wire from "../wire.ts";

export const RUNS = `${wire.API_PATH}/runs`;
const { runsPage, historyPage, resultWaitMs } = wire.WIRE_LIMITS;

export const runParams = z.object({ id: wire.nameSchema });

const listQuery = z.strictObject({
  workflow: wire.nameSchema.optional(),
  status: listOf(wire.runStatusSchema).optional(),
  tag: tagFilter.optional().describe("`name:value`; each must be on the run."),
  idempotencyKey: wire.nameSchema.optional(),
  parentId: wire.nameSchema.optional().describe("The run that started them."),
  createdFrom: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().describe("Created at or after, milliseconds."),
  createdBefore: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().describe("Created before, milliseconds."),
  limit: wholeNumber(1, runsPage.max).optional().describe(`At most so many; ${runsPage.default} if not given.`),
  cursor: wire.nameSchema.optional().describe("What the page before returned."),
});

const historyQuery = z.strictObject({
  afterSeq: wholeNumber(0, Number.MAX_SAFE_INTEGER).default(0),
  limit: wholeNumber(1, historyPage.max).default(historyPage.default),
});

const resultQuery = z.strictObject({
  timeoutMs: wholeNumber(0, resultWaitMs.max).default(resultWaitMs.default),
});

export const notFound = { description: "There is no such run.", schema: wire.problemSchema };

const location = { Location: "The run's place." };

/** What a start answers. */
export const startedAnswers = {
  201: { description: "The run was made.", schema: wire.startedSchema, headers: location },
  200: { description: "It was there.", schema: wire.startedSchema, headers: location },
};

/** @param runs the place of runs, relative to the request */
export function startedResponse({ id, created, skipped }: StartedRun, runs: string): Response {
  const started = skipped ? { id, created, skipped } : { id, created };
  return jsonResponse(created ? 201 : 200, started, { location: `${runs}/${encodeURIComponent(id)}` });
}

const startRun = route({
  id: "startRun",
  method: "POST",
  path: RUNS,
  access: "runs:write",
  summary: "Starts a run. The answer follows its commit.",
  headers: { "Idempotency-Key": "As `idempotencyKey` of the body." },
  body: wire.startRequestSchema,
  answers: {
    ...startedAnswers,
    404: { description: "There is no such workflow.", schema: wire.problemSchema },
    409: { description: "The idempotency key was used with another input.", schema: wire.problemSchema },
    422: { description: "The input does not fit the workflow.", schema: wire.problemSchema },
  },
  handle: async ({ engine, request, body }) => {
    const { workflow, delay, deadline, tags } = body;
    const idempotencyKey = idempotencyKeyOf(request, "idempotencyKey", body.idempotencyKey);
    const options: StartOptions = definedOf({ idempotencyKey, delay, deadline, tags });
    // Relative to the request, so that it holds wherever the app is mounted.
    return startedResponse(
      await engine.start(workflow, decodeValue("input", body.input, body.inputMeta), options),
      "runs",
    );
  },
});

const listRuns = route({
  id: "listRuns",
  method: "GET",
  path: RUNS,
  access: "runs:read",
  summary: "Runs, newest first.",
  query: listQuery,
  answers: { 200: { description: "A page of runs.", schema: wire.runPageSchema } },
  handle: async ({ engine, query: { tag, ...filter } }) => {
    const options = { limit: runsPage.default, ...definedOf(filter), ...(tag === undefined ? {} : { tags: tag }) };
    const page = await engine.list(options);
    const texts = pageTexts(page.runs.map(encodeRun));
    // The values of the runs can be large: then the page is shorter, and its own cursor is asked for.
    const isShort = texts.length < page.runs.length;
    const { cursor } = isShort ? await engine.list({ ...options, limit: texts.length }) : page;
    return jsonText(200, `{"runs":[${texts.join()}],"cursor":${JSON.stringify(cursor)}}`);
  },
});

const getRun = route({
  id: "getRun",
  method: "GET",
  path: `${RUNS}/:id`,
  access: "runs:read",
  summary: "A run as it stands.",
  params: runParams,
  answers: { 200: { description: "The run.", schema: wire.runSchema }, 404: notFound },
  handle: async ({ engine, params }) => jsonResponse(200, encodeRun(await engine.run(params.id).status())),
});

const getWhy = route({
  id: "getWhy",
  method: "GET",
  path: `${RUNS}/:id/why`,
  access: "runs:read",
  summary: "What a run waits for, since when, and what can be done about it.",
  params: runParams,
  answers: { 200: { description: "What it waits for.", schema: wire.whySchema }, 404: notFound },
  handle: async ({ engine, params }) => jsonResponse(200, await engine.run(params.id).why()),
});

const getHistory = route({
  id: "getHistory",
  method: "GET",
  path: `${RUNS}/:id/history`,
  access: "runs:read",
  summary: "Events of a run, in order.",
  params: runParams,
  query: historyQuery,
  answers: { 200: { description: "A page of events.", schema: wire.historyPageSchema }, 404: notFound },
  handle: async ({ engine, params, query: { afterSeq, limit } }) => {
    const events = await engine.history(params.id, { afterSeq, limit: limit + 1 });
    if (events.length === 0) await engine.run(params.id).status();
    const texts = pageTexts(events.slice(0, limit));
    const next = texts.length < events.length ? events[texts.length - 1]?.seq : null;
    return jsonText(200, `{"events":[${texts.join()}],"next":${next}}`);
  },
});

const getResult = route({
  id: "getResult",
  method: "GET",
  path: `${RUNS}/:id/result`,
  access: "runs:read",
  summary: "Waits for a run's end, in whatever way it ends: see its status.",
  params: runParams,
  query: resultQuery,
  answers: {
    200: { description: "The run, which is over.", schema: wire.runSchema },
    202: { description: "The run, which is not over yet: ask again.", schema: wire.runSchema },
    404: notFound,
  },
  handle: async (call) => {
    const info = await whenOver(call);
    return jsonResponse(isTerminalStatus(info.status) ? 200 : 202, encodeRun(info));
  },
});

/** How a wait ends that is no error of the wait. */
const ENDS: readonly string[] = ["RUN_FAILED", "RUN_CANCELLED", "RESULT_TIMEOUT"];

async function whenOver(call: Call<{ id: string }, z.output<typeof resultQuery>, unknown>): Promise<RunInfo> {
  const run: RunHandle = call.engine.run(call.params.id);
  try {
    await run.result({ timeout: call.query.timeoutMs, signal: call.request.signal });
  } catch (error) {
    if (!isVarveError(error) || !ENDS.includes(error.code)) throw error;
  }
  return await run.status();
}

export const runRoutes: readonly Route[] = [startRun, listRuns, getRun, getWhy, getHistory, getResult];
