/** What runs are told: signals, and how to go on. */
import type { ReasonOptions, RerunOptions, RunHandle } from "../../engine/api-run.ts";
import { definedOf } from "../defined.ts";
import { idempotencyKeyOf } from "../idempotency-key.ts";
import { jsonResponse } from "../json.ts";
import { type Route, route } from "../route.ts";
import { decodeValue } from "../value.ts";
import * as wire from "../wire.ts";
import { notFound, RUNS, runParams, startedAnswers, startedResponse } from "./runs.ts";

/** What a message to a run answers. */
const accepted = {
  202: { description: "The request is durable.", schema: wire.acceptedSchema },
  404: notFound,
  409: { description: "The run is over.", schema: wire.problemSchema },
  429: { description: "Too many messages wait for the run.", schema: wire.problemSchema },
};

const sendSignal = route({
  id: "sendSignal",
  method: "POST",
  path: `${RUNS}/:id/signals/:name`,
  access: "runs:write",
  summary: "Tells a run something. It is kept until the run's code takes it.",
  params: runParams.extend({ name: wire.nameSchema }),
  headers: { "Idempotency-Key": "As `dedupeKey` of the body." },
  body: wire.signalRequestSchema,
  answers: {
    ...accepted,
    400: { description: "The workflow takes no such signal, or no such payload.", schema: wire.problemSchema },
  },
  handle: async ({ engine, request, params: { id, name }, body }) => {
    const payload = decodeValue("payload", body.payload, body.payloadMeta);
    const dedupeKey = idempotencyKeyOf(request, "dedupeKey", body.dedupeKey);
    await engine.run(id).signal(name, payload, definedOf({ dedupeKey }));
    return jsonResponse(202, { id });
  },
});

/** A route that tells a run to do something, and may say why. */
function reasoned(
  id: string,
  verb: string,
  summary: string,
  tell: (run: RunHandle, options: ReasonOptions) => Promise<void>,
): Route {
  return route({
    id,
    method: "POST",
    path: `${RUNS}/:id/${verb}`,
    access: "runs:write",
    summary,
    params: runParams,
    body: wire.reasonRequestSchema,
    answers: accepted,
    handle: async ({ engine, params, body }) => {
      await tell(engine.run(params.id), definedOf(body));
      return jsonResponse(202, { id: params.id });
    },
  });
}

const cancelRun = reasoned("cancelRun", "cancel", "Asks for a run's end.", (run, options) => run.cancel(options));

const terminateRun = reasoned(
  "terminateRun",
  "terminate",
  "Ends a run without asking its code: nothing is put in order.",
  (run, options) => run.terminate(options),
);

const pauseRun = reasoned(
  "pauseRun",
  "pause",
  "Holds a run: what it is doing may end, and nothing else begins.",
  (run, options) => run.pause(options),
);

const resumeRun = route({
  id: "resumeRun",
  method: "POST",
  path: `${RUNS}/:id/resume`,
  access: "runs:write",
  summary: "Lets a paused run go on.",
  params: runParams,
  body: wire.emptyRequestSchema,
  answers: accepted,
  handle: async ({ engine, params: { id } }) => {
    await engine.run(id).resume();
    return jsonResponse(202, { id });
  },
});

const retryRun = route({
  id: "retryRun",
  method: "POST",
  path: `${RUNS}/:id/retry`,
  access: "runs:write",
  summary: "Lets a run go on that has failed or was cancelled, where it failed.",
  params: runParams,
  body: wire.emptyRequestSchema,
  answers: {
    202: accepted[202],
    404: notFound,
    409: { description: "The run has not failed and was not cancelled.", schema: wire.problemSchema },
  },
  handle: async ({ engine, params: { id } }) => {
    await engine.run(id).retry();
    return jsonResponse(202, { id });
  },
});

const rerunRun = route({
  id: "rerunRun",
  method: "POST",
  path: `${RUNS}/:id/rerun`,
  access: "runs:write",
  summary: "Starts another run of the same workflow and version, with the same input or another.",
  params: runParams,
  headers: { "Idempotency-Key": "As `idempotencyKey` of the body." },
  body: wire.rerunRequestSchema,
  answers: {
    ...startedAnswers,
    404: notFound,
    409: { description: "The idempotency key was used with another input.", schema: wire.problemSchema },
    422: { description: "The input does not fit the workflow.", schema: wire.problemSchema },
  },
  handle: async ({ engine, request, params: { id }, body }) => {
    const { delay, deadline } = body;
    const input = decodeValue("input", body.input, body.inputMeta);
    const idempotencyKey = idempotencyKeyOf(request, "idempotencyKey", body.idempotencyKey);
    const rest = definedOf({ idempotencyKey, delay, deadline });
    const options: RerunOptions = body.input === undefined ? rest : { ...rest, input };
    return startedResponse(await engine.run(id).rerun(options), "..");
  },
});

const bulkRuns = route({
  id: "bulkRuns",
  method: "POST",
  path: `${RUNS}/bulk`,
  access: "runs:write",
  summary: "Does the same to many runs. The answer comes when it is done to all of them.",
  body: wire.bulkRequestSchema,
  answers: {
    200: { description: "What came of it.", schema: wire.bulkResultSchema },
    400: { description: "A filter that is wrong.", schema: wire.problemSchema },
  },
  handle: async ({ engine, body: { action, ...options } }) => {
    return jsonResponse(200, await engine.bulk(action, definedOf(options)));
  },
});

export const controlRoutes: readonly Route[] = [
  ...[sendSignal, cancelRun, terminateRun, pauseRun, resumeRun],
  ...[retryRun, rerunRun, bulkRuns],
];
