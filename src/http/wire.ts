/**
 * The wire of the HTTP API: every body that goes in or out, as zod schemas. The OpenAPI document is made of them, and the
 * client takes its types from here. Here is what all share, and what runs have; `wire-*.ts` have the rest.
 *
 * Users' values go as plain JSON in one field and, only when JSON cannot say all of it, a companion `...Meta` that
 * says what was where: `decodePayload({ value: output, meta: outputMeta })` gives the value (see `kernel/codec.ts`).
 * Instants and durations are milliseconds, instants since the Unix epoch.
 */
import * as z from "zod";
import type { RunInfo } from "../engine/api-run.ts";
import type { BulkAction, BulkResult } from "../engine/api-run-list.ts";
import type { RunEvent } from "../kernel/events.ts";
import type { Failure } from "../kernel/failure.ts";
import { RUN_STATUSES, type RunStatus } from "../kernel/state.ts";
import { isStorableText, NAME_LENGTH_MAX } from "../kernel/text.ts";
import { WAIT_KINDS, type WaitingFor } from "../kernel/why.ts";

/** Where the API lives below the app's place. */
export const API_PATH = "/api/v1";

/** How the pages and waits of the API are bounded. */
export const WIRE_LIMITS = {
  runsPage: { default: 50, max: 500 },
  deliveriesPage: { default: 50, max: 500 },
  messagesPage: { default: 50, max: 500 },
  historyPage: { default: 100, max: 500 },
  /** How long `GET /runs/:id/result` waits, milliseconds. */
  resultWaitMs: { default: 25_000, max: 60_000 },
  /** How many runs one bulk request may be done to, and may name. */
  bulk: { max: 1_000_000 },
  bulkIds: { max: 10_000 },
} as const;

/** What can be done to many runs at once. */
const BULK_ACTIONS: readonly [BulkAction, ...BulkAction[]] = ["cancel", "terminate", "pause", "resume", "retry"];

/** The schemas that have a name in the OpenAPI document. */
export const wireSchemas = z.registry<{ id: string; description: string }>();

export function named<S extends z.ZodType>(id: string, description: string, schema: S): S {
  wireSchemas.add(schema, { id, description });
  return schema;
}

/** A name, id, key or tag as the log can hold it. */
export const nameSchema = z
  .string()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .refine(isStorableText, "expected a text without NUL and lone surrogates");

export const instantSchema = z.number().describe("Milliseconds since the Unix epoch.");
/** zod passes over a key `__proto__`; what was asked for and cannot be done is said. */
export const tagsSchema = z
  .preprocess(
    (tags, context) => {
      const isRefused = typeof tags === "object" && tags !== null && Object.hasOwn(tags, "__proto__");
      if (isRefused) context.addIssue("expected no tag named __proto__");
      return tags;
    },
    z.record(nameSchema, nameSchema),
  )
  .describe("Labels, at most 32.");
export const durationSchema = z
  .union([z.number().min(0), z.string().min(1).max(64)])
  .describe('Milliseconds, or a text such as "1h30m" or "PT1H30M".');

export const runStatusSchema = named(
  "RunStatus",
  "How a run stands. `completed`, `failed` and `cancelled` are its end.",
  z.enum(RUN_STATUSES as readonly [RunStatus, ...RunStatus[]]),
);

export const payloadMetaSchema = named(
  "PayloadMeta",
  'What a value holds that JSON cannot say: a list of [path, kind], such as [["order", "at"], "date"].',
  z.array(z.tuple([z.array(z.union([z.string(), z.number().int().min(0)])), z.string()])),
);

const failureSchema = named(
  "Failure",
  "An error as the log holds it.",
  z.object({
    name: z.string(),
    message: z.string(),
    code: z.string().optional(),
    stack: z.string().optional(),
    get cause() {
      return failureSchema.optional();
    },
    get errors() {
      return z.array(failureSchema).optional();
    },
    fields: z.record(z.string(), z.unknown()).optional(),
  } satisfies Record<keyof Failure, unknown>),
);

const waitingForSchema = z.object({
  kind: z.enum(WAIT_KINDS),
  name: z.string().nullable().describe("What it is for, else the call that waits; null: it is the run itself."),
  since: z.number().nullable().describe("Milliseconds since the epoch; null: nobody has noted it."),
} satisfies Record<keyof WaitingFor, unknown>);

export const runSchema = named(
  "Run",
  "A run as it stands.",
  z.object({
    id: z.string(),
    workflow: z.string(),
    version: z.string(),
    status: runStatusSchema,
    tags: z.record(z.string(), z.string()),
    idempotencyKey: z.string().nullable(),
    parentId: z.string().nullable().describe("The run that started it."),
    output: z.unknown().optional().describe("With status `completed`."),
    outputMeta: payloadMetaSchema.optional(),
    error: failureSchema.optional().describe("With status `failed`."),
    cancelReason: z.string().optional().describe("With status `cancelled`, if a reason was given."),
    stuck: z.object({ code: z.string(), message: z.string() }).optional().describe("With status `stuck`: why."),
    createdAt: instantSchema,
    startedAt: instantSchema.nullable(),
    endedAt: instantSchema.nullable(),
    availableAt: instantSchema.nullable().describe("When it goes on by itself; null: not, or it is running."),
    deadlineAt: instantSchema.nullable(),
    waitingFor: waitingForSchema.nullable().describe("The first thing that it waits for; see its why for all."),
    worker: z.string().nullable().describe("The worker that has it."),
    events: z.number().int().describe("How many events its history has."),
  } satisfies Record<keyof RunInfo | "outputMeta", unknown>),
);

const eventSchema = named(
  "RunEvent",
  "A fact in the history of a run, as it is in the log. docs/FORMAT.md says what each type holds.",
  z.object({
    position: z.number().int().describe("Its place in the whole log."),
    runId: z.string(),
    seq: z.number().int().describe("Its place in its run, from 1."),
    epoch: z.number().int(),
    type: z.string(),
    v: z.number().int(),
    key: z.string().nullable(),
    scope: z.string().nullable(),
    attempt: z.number().int().nullable(),
    at: instantSchema,
    data: z.record(z.string(), z.unknown()),
  } satisfies Record<keyof RunEvent, unknown>),
);

export const startRequestSchema = named(
  "StartRequest",
  "Starts a run of a registered workflow.",
  z.strictObject({
    workflow: nameSchema,
    input: z.unknown().optional(),
    inputMeta: payloadMetaSchema.optional(),
    idempotencyKey: nameSchema
      .optional()
      .describe("A start with a used key makes no run. Also as the header Idempotency-Key."),
    delay: durationSchema.optional(),
    tags: tagsSchema.optional(),
    deadline: durationSchema.optional(),
    queue: nameSchema.optional().describe("A queue of the engine, in place of the workflow's."),
    priority: z.int().min(-1_000).max(1_000).optional().describe("Whoever has more goes first."),
  }),
);

export const startedSchema = named(
  "StartedRun",
  "The run that a start made, or found in its place.",
  z.object({
    id: z.string(),
    created: z.boolean(),
    skipped: z
      .literal(true)
      .optional()
      .describe("This one is under way, and its workflow is a singleton that skips starts."),
  }),
);

const waitReasonSchema = z.object({
  kind: z.enum(WAIT_KINDS),
  since: z.number().nullable().describe("Milliseconds since the epoch; null: nobody has noted it."),
  until: z.number().nullable().describe("When it is over by itself; null: not by time."),
  text: z.string(),
  hint: z.string().describe("What can be done about it."),
  key: z.string().optional().describe("The call that waits."),
  name: z.string().optional().describe("A signal, a lock, a line, a version, a worker."),
  runId: z.string().optional().describe("The child that is waited for."),
  holders: z.array(z.string()).optional().describe("Runs that have a place in the line: the first 20."),
  slots: z.number().optional().describe("How many may have one."),
  position: z.number().nullable().optional().describe("Among those that wait, from 1; null: far behind."),
});

export const whySchema = named(
  "Why",
  "What a run waits for.",
  z.object({
    runId: z.string(),
    status: z.enum(RUN_STATUSES),
    at: z.number().describe("The instant of the answer."),
    waitsFor: z.array(waitReasonSchema),
  }),
);

export const QUEUES_PATH = `${API_PATH}/queues`;

export const queueSchema = named(
  "Queue",
  "A queue of runs and steps as it stands.",
  z.object({
    name: z.string(),
    concurrency: z.number().nullable().describe("The most runs, and the most steps, that are worked on at once."),
    defined: z.number().nullable().describe("What the engine was given; null: it has no such queue."),
    paused: z.boolean().describe("Whether it lets nobody in."),
    held: z.number().describe("How many runs have a place in it, up to 10,000."),
    waiting: z.number().describe("How many wait for one, up to 10,000."),
    workers: z.number().describe("How many living workers serve it."),
    steps: z.object({
      held: z.number().describe("How many attempts of steps have a slot in it, up to 10,000."),
      waiting: z.number().describe("How many wait for one, up to 10,000."),
    }),
  }),
);

export const queueListSchema = named("QueueList", "Queues, by name.", z.object({ queues: z.array(queueSchema) }));

export const queueChangeSchema = named(
  "QueueChange",
  "What becomes of a queue. What is not given stays as it is.",
  z.strictObject({
    concurrency: z.int().min(1).max(10_000).nullable().optional().describe("Null: what the engine was given."),
    paused: z.boolean().optional(),
  }),
);

export const runPageSchema = named(
  "RunPage",
  "Runs, newest first.",
  z.object({
    runs: z.array(runSchema),
    cursor: z.string().nullable().describe("Gives the next page; null: the last."),
  }),
);

export const historyPageSchema = named(
  "HistoryPage",
  "Events of one run, in order.",
  z.object({
    events: z.array(eventSchema),
    next: z.number().int().nullable().describe("`afterSeq` of the next page; null: there is no more at the moment."),
  }),
);

export const reasonRequestSchema = named(
  "ReasonRequest",
  "Why, for the run's history.",
  z.strictObject({ reason: nameSchema.optional() }),
);

export const emptyRequestSchema = named("EmptyRequest", "Nothing needs to be said.", z.strictObject({}));

export const signalRequestSchema = named(
  "SignalRequest",
  "What a run is told.",
  z.strictObject({
    payload: z.unknown().optional(),
    payloadMeta: payloadMetaSchema.optional(),
    dedupeKey: nameSchema
      .optional()
      .describe("Another signal to the run with the same key does nothing. Also as the header Idempotency-Key."),
  }),
);

export const rerunRequestSchema = named(
  "RerunRequest",
  "Starts another run like this one.",
  z.strictObject({
    input: z.unknown().optional().describe("Instead of the run's own."),
    inputMeta: payloadMetaSchema.optional(),
    idempotencyKey: nameSchema.optional().describe("As of a start. Also as the header Idempotency-Key."),
    delay: durationSchema.optional(),
    deadline: durationSchema.optional(),
  }),
);

export const acceptedSchema = named(
  "Accepted",
  "The request to the run is durable.",
  z.object({ id: z.string().describe("The run's.") }),
);

export const bulkRequestSchema = named(
  "BulkRequest",
  "Does the same to all runs of a filter, newest first, or to those that are named.",
  z.strictObject({
    action: z.enum(BULK_ACTIONS),
    ids: z.array(nameSchema).max(WIRE_LIMITS.bulkIds.max).optional().describe("Instead of a filter."),
    workflow: nameSchema.optional(),
    status: z
      .union([runStatusSchema, z.array(runStatusSchema)])
      .optional()
      .describe("Those that can take it, if not given."),
    tags: tagsSchema.optional(),
    idempotencyKey: nameSchema.optional(),
    parentId: nameSchema.optional(),
    createdFrom: instantSchema.optional(),
    createdBefore: instantSchema.optional(),
    limit: z.number().int().min(1).max(WIRE_LIMITS.bulk.max).optional().describe("At most so many runs; 10,000."),
    reason: nameSchema.optional(),
  }),
);

export const bulkResultSchema = named(
  "BulkResult",
  "What came of it.",
  z.object({
    done: z.number().int().describe("Runs that it was done to."),
    skipped: z.number().int().describe("Runs that could not take it, such as ones that had ended meanwhile."),
    more: z.boolean().describe("Whether more runs fit than the limit."),
  } satisfies Record<keyof BulkResult, unknown>),
);

export const redeemedSchema = named(
  "ResumeAccepted",
  "The signal is durable, by this request or an earlier one.",
  z.object({ signal: z.string().describe("Its name.") }),
);

export const workflowListSchema = named(
  "WorkflowList",
  "The registered workflows, by name.",
  z.object({
    workflows: z.array(
      z.object({
        name: z.string(),
        versions: z.array(z.string()).describe("In the order of registration; a start takes the last."),
      }),
    ),
  }),
);

export const logPositionSchema = named(
  "LogPosition",
  "How far the log has come.",
  z.object({ lastPosition: z.number().int().describe("0 for an empty log.") }),
);

export const healthSchema = named("Health", "It is well.", z.object({ status: z.literal("ok") }));

export const openApiSchema = named(
  "OpenApi",
  "An OpenAPI document.",
  z.object({ openapi: z.literal("3.1.0"), paths: z.record(z.string(), z.unknown()) }),
);

export const problemSchema = named(
  "Problem",
  "Why a request was refused (RFC 9457).",
  z.object({
    type: z.string().describe("A URN of the code: `urn:varve:problem:run-over`."),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().describe("Stable: `RUN_OVER`."),
    instance: z.string().describe("Names this one answer; the log line of it has the same."),
    name: z.string().optional().describe("The class of the error, such as `ConflictError`."),
    facts: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("What the detail says, as data; `issues` lists what is wrong where."),
  }),
);

export type WireRun = z.infer<typeof runSchema>;
export type WireEvent = z.infer<typeof eventSchema>;
export type WireFailure = z.infer<typeof failureSchema>;
export type WirePayloadMeta = z.infer<typeof payloadMetaSchema>;
export type WireStartRequest = z.infer<typeof startRequestSchema>;
export type WireStartedRun = z.infer<typeof startedSchema>;
export type WireRunPage = z.infer<typeof runPageSchema>;
export type WireHistoryPage = z.infer<typeof historyPageSchema>;
export type WireReasonRequest = z.infer<typeof reasonRequestSchema>;
export type WireSignalRequest = z.infer<typeof signalRequestSchema>;
export type WireRerunRequest = z.infer<typeof rerunRequestSchema>;
export type WireBulkRequest = z.infer<typeof bulkRequestSchema>;
export type WireBulkResult = z.infer<typeof bulkResultSchema>;
export type WireWorkflowList = z.infer<typeof workflowListSchema>;
export type WireLogPosition = z.infer<typeof logPositionSchema>;
export type WireProblem = z.infer<typeof problemSchema>;
