/** The log as it grows, of one run or as a whole. */
import * as z from "zod";
import type { Engine } from "../../engine/api.ts";
import { ValidationError } from "../../kernel/errors.ts";
import { isTerminal } from "../../kernel/events.ts";
import { isTerminalStatus } from "../../kernel/state.ts";
import { jsonResponse } from "../json.ts";
import { wholeNumber } from "../query.ts";
import { type Call, type Route, route } from "../route.ts";
import { type EventStreamOptions, eventStream } from "../sse.ts";
import * as wire from "../wire.ts";
import { runParams } from "./runs.ts";

const position = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const tailQuery = z.strictObject({
  after: position.default(0).describe("Only events after this position. `Last-Event-ID` wins over it."),
});

const headers = { "Last-Event-ID": "The position of the last event that the client has." };
const stream = { description: "Server-sent events; `data` is a RunEvent.", contentType: "text/event-stream" };
const invalid = { description: "No position of this log.", schema: wire.problemSchema };

const tailLog = route({
  id: "tailLog",
  method: "GET",
  path: `${wire.API_PATH}/events`,
  access: "runs:read",
  summary: "The log from a position on, and then as it grows.",
  query: tailQuery,
  headers,
  answers: { 200: stream, 400: invalid },
  handle: async (call) => {
    const after = await positionOf(call);
    const read = (signal: AbortSignal) => call.engine.tail({ after, signal });
    return streamed(call, { read, isLast: () => false });
  },
});

const tailRun = route({
  id: "tailRun",
  method: "GET",
  path: `${wire.API_PATH}/runs/:id/events`,
  access: "runs:read",
  summary: "The history of one run from a position on, until it is over.",
  params: runParams,
  query: tailQuery,
  headers,
  answers: {
    200: stream,
    204: { description: "The run is over and the client has all of it: do not connect again." },
    400: invalid,
    404: { description: "There is no such run.", schema: wire.problemSchema },
  },
  handle: async (call) => {
    const { engine, params } = call;
    const { status, events: head } = await engine.run(params.id).status();
    const after = await positionOf(call);
    const read = (signal: AbortSignal) => engine.tail({ after, runId: params.id, signal });
    if (!isTerminalStatus(status)) return streamed(call, { read, isLast: ({ type }) => isTerminal(type) });
    if (after >= (await positionAt(engine, params.id, head))) return new Response(null, { status: 204 });
    // Outcomes may follow a run's end, so it is not the terminal event that is the last.
    return streamed(call, { read, isLast: ({ seq }) => seq >= head });
  },
});

async function positionAt(engine: Engine, runId: string, seq: number): Promise<number> {
  const [event] = await engine.history(runId, { afterSeq: seq - 1, limit: 1 });
  return event?.position ?? 0;
}

/** The position that the client has. One that the log has not reached is of another log: it would wait for ever. */
async function positionOf(call: Call<unknown, z.output<typeof tailQuery>, unknown>): Promise<number> {
  const header = call.request.headers.get("last-event-id");
  const read = header === null ? null : position.safeParse(header);
  if (read !== null && !read.success) throw refused(JSON.stringify(header));
  const after = read?.data ?? call.query.after;
  if (after > 0 && after > (await call.engine.lastPosition())) throw refused(`${after}, which it has not reached`);
  return after;
}

function refused(found: string): ValidationError {
  const message = `expected Last-Event-ID, or after, to be a position of this log, but found ${found}`;
  return new ValidationError("POSITION_INVALID", message);
}

function streamed(
  { engine, isStillAllowed }: Call<unknown, unknown, unknown>,
  what: Pick<EventStreamOptions, "read" | "isLast">,
): Response {
  const body = eventStream({ ...what, isStillAllowed, ports: engine.ports });
  // `x-accel-buffering`: nginx would hold the events back.
  return new Response(body, { headers: { "content-type": "text/event-stream", "x-accel-buffering": "no" } });
}

const getLog = route({
  id: "getLog",
  method: "GET",
  path: `${wire.API_PATH}/log`,
  access: "runs:read",
  summary: "How far the log has come: events after that are new.",
  answers: { 200: { description: "The last position.", schema: wire.logPositionSchema } },
  handle: async ({ engine }) => jsonResponse(200, { lastPosition: await engine.lastPosition() }),
});

export const eventRoutes: readonly Route[] = [tailLog, tailRun, getLog];
