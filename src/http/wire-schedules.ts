/** The wire of schedules: their bodies, in and out, as `wire.ts` has those of runs. */
import * as z from "zod";
import type { BackfillResult, FiringInfo, InstantInfo, ScheduleInfo, TriggerResult } from "../engine/api-schedules.ts";
import { durationSchema, instantSchema, named, nameSchema, payloadMetaSchema, tagsSchema } from "./wire.ts";

/** How the pages of schedules are bounded. */
export const SCHEDULE_LIMITS = { page: { default: 50, max: 500 }, next: { default: 10, max: 1_000 } } as const;

const specSchema = z
  .record(z.string(), z.unknown())
  .describe("When: `cron`, `every`, `calendar`, `at`, `timezone` and so on, see docs/SCHEDULES.md.");
const overlapSchema = z.enum(["skip", "queue-one", "queue-all", "cancel-running", "allow"]);
const catchUpPolicySchema = z.enum(["none", "last", "all"]);
const catchUpSchema = z.union([
  catchUpPolicySchema,
  z.strictObject({
    policy: catchUpPolicySchema,
    window: durationSchema.optional(),
    max: z.number().int().min(1).max(1_000).optional(),
    grace: durationSchema.optional(),
  }),
]);

const rules = {
  overlap: overlapSchema.optional().describe("When a run of an earlier instant goes on; `skip`."),
  catchUp: catchUpSchema.optional().describe("When an instant is seen too late; `last`."),
  input: z.unknown().optional(),
  inputMeta: payloadMetaSchema.optional(),
};

export const scheduleSchema = named(
  "Schedule",
  "When a workflow runs by itself.",
  z.object({
    id: z.string(),
    workflow: z.string(),
    version: z.string().nullable().describe("Null: the latest."),
    spec: specSchema,
    description: z.string().describe("The spec in words."),
    overlap: overlapSchema,
    catchUp: z.object({
      policy: catchUpPolicySchema,
      windowMs: z.number(),
      max: z.number().int(),
      graceMs: z.number(),
    }),
    input: z.unknown().optional().describe("What its runs are given."),
    inputMeta: payloadMetaSchema.optional(),
    tags: z.record(z.string(), z.string()),
    deadlineMs: z.number().nullable(),
    source: z.enum(["code", "api"]),
    generation: z.number().int().describe("Counts its definitions."),
    paused: z.object({ at: instantSchema, note: z.string().nullable() }).nullable(),
    nextAt: instantSchema.nullable().describe("When the next instant is due; null: it is paused, or has none."),
    decidedUntil: instantSchema.describe("Every instant up to this one is decided."),
    waiting: z.number().int().describe("Firings that wait for an earlier run to end."),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  } satisfies Record<keyof ScheduleInfo | "inputMeta", unknown>),
);

export const schedulesPageSchema = named(
  "SchedulePage",
  "Schedules by id.",
  z.object({ schedules: z.array(scheduleSchema), cursor: z.string().nullable() }),
);

export const createScheduleRequestSchema = named(
  "CreateScheduleRequest",
  "Makes a schedule. Its instants begin after now.",
  z.strictObject({
    id: nameSchema,
    workflow: nameSchema,
    version: nameSchema.optional(),
    spec: specSchema,
    ...rules,
    tags: tagsSchema.optional(),
    deadline: durationSchema.optional(),
  }),
);

export const updateScheduleRequestSchema = named(
  "UpdateScheduleRequest",
  "What changes; null takes a field away, also one of the spec.",
  z.strictObject({
    version: nameSchema.nullable().optional(),
    spec: specSchema.optional(),
    ...rules,
    tags: tagsSchema.nullable().optional(),
    deadline: durationSchema.nullable().optional(),
  }),
);

export const pauseScheduleRequestSchema = named(
  "PauseScheduleRequest",
  "Why it is paused.",
  z.strictObject({ note: nameSchema.optional() }),
);

export const backfillRequestSchema = named(
  "BackfillRequest",
  "Has the instants of a range fire, at most 1,000.",
  z.strictObject({
    from: instantSchema.describe("The first instant, milliseconds."),
    until: instantSchema.describe("Instants before this one."),
    overlap: z.enum(["queue-all", "allow"]).optional().describe("One after the other (`queue-all`), or all at once."),
  }),
);

export const backfillResultSchema = named(
  "BackfillResult",
  "What was asked for.",
  z.object({
    instants: z.number().int(),
    known: z.number().int().describe("Those that had been asked for before."),
  } satisfies Record<keyof BackfillResult, unknown>),
);

export const triggeredSchema = named(
  "ScheduleTriggered",
  "The run that was asked for.",
  z.object({ runId: z.string(), at: instantSchema } satisfies Record<keyof TriggerResult, unknown>),
);

const firingSchema = named(
  "Firing",
  "What became of an instant, or of a range of instants that were skipped for one reason.",
  z.object({
    at: instantSchema,
    lane: z.enum(["schedule", "backfill", "manual"]),
    until: instantSchema.nullable().describe("The last instant of a range."),
    instants: z.number().int().nullable().describe("How many it stands for; null: too many to count."),
    decision: z.enum(["fired", "skipped", "waiting"]),
    cause: z.enum(["schedule", "catch-up", "backfill", "manual"]),
    reason: z.string().nullable().describe("Why it was skipped, or waits."),
    runId: z.string().nullable(),
    decidedAt: instantSchema.nullable(),
  } satisfies Record<keyof FiringInfo, unknown>),
);

export const firingsPageSchema = named(
  "FiringPage",
  "Firings, latest instant first.",
  z.object({ firings: z.array(firingSchema), cursor: z.string().nullable() }),
);

export const instantInfoSchema = named(
  "ScheduleInstant",
  "Why an instant did fire, or did not, or what will become of it.",
  z.object({
    at: instantSchema,
    decision: z.enum(["fired", "skipped", "waiting", "ahead", "due", "none"]),
    reason: z.string().nullable(),
    runId: z.string().nullable(),
  } satisfies Record<keyof InstantInfo, unknown>),
);

export const instantsSchema = named(
  "ScheduleInstants",
  "The next instants.",
  z.object({ instants: z.array(instantSchema) }),
);

export type WireSchedule = z.infer<typeof scheduleSchema>;
export type WireSchedulesPage = z.infer<typeof schedulesPageSchema>;
export type WireFiringsPage = z.infer<typeof firingsPageSchema>;
