/**
 * The tables of the log as drizzle knows them. The SQL in `migrations/` creates them; a test holds the two together.
 * Reads of every day are built from here; the statements of the hot path are text, in `statements.ts`.
 */
import { blob, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { Tags } from "../../kernel/events.ts";
import type { PlaceHold } from "../../kernel/place-limit.ts";
import type { RunStatus } from "../../kernel/state.ts";
import type { DeliveryDecision } from "../port-deliveries.ts";
import type { MessageKind } from "../port-inbox.ts";
import type { DispatchDecision, GatheringRow } from "../port-messages.ts";
import type { NoticeStatus } from "../port-outgoing.ts";
import type { FiringRow, ScheduleRow } from "../port-schedules.ts";
import type { ProgramId } from "../port-workers.ts";
import { placeLimits } from "./limits-text.ts";

export const events = sqliteTable("events", {
  position: integer("position").primaryKey({ autoIncrement: true }),
  runId: text("run_id").notNull(),
  seq: integer("seq").notNull(),
  epoch: integer("epoch").notNull(),
  type: text("type").notNull(),
  v: integer("v").notNull(),
  key: text("key"),
  scope: text("scope"),
  attempt: integer("attempt"),
  at: integer("at").notNull(),
  data: text("data"),
});

export const runs = sqliteTable("runs", {
  id: text("id").primaryKey(),
  workflow: text("workflow").notNull(),
  version: text("version").notNull(),
  status: text("status").$type<RunStatus>().notNull(),
  availableAt: integer("available_at"),
  owner: text("owner"),
  epoch: integer("epoch").notNull(),
  head: integer("head").notNull(),
  unclean: integer("unclean").notNull(),
  idempotencyKey: text("idempotency_key"),
  tags: text("tags", { mode: "json" }).$type<Tags>().notNull(),
  result: text("result"),
  stuck: text("stuck"),
  createdAt: integer("created_at").notNull(),
  startedAt: integer("started_at"),
  endedAt: integer("ended_at"),
  deadlineAt: integer("deadline_at"),
  parentId: text("parent_id"),
  limits: placeLimits("limits"),
  lineAt: integer("line_at"),
  singleton: text("singleton"),
  queue: text("queue"),
  passedAt: integer("passed_at"),
});

export const inbox = sqliteTable("inbox", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  runId: text("run_id").notNull(),
  kind: text("kind").$type<MessageKind>().notNull(),
  token: text("token").notNull(),
  data: text("data"),
  at: integer("at").notNull(),
});

export const workers = sqliteTable("workers", {
  id: text("id").primaryKey(),
  startedAt: integer("started_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  turn: integer("turn").notNull(),
  programs: text("programs", { mode: "json" }).$type<readonly ProgramId[]>(),
  queues: text("queues", { mode: "json" }).$type<readonly string[]>(),
});

export const deliveries = sqliteTable("deliveries", {
  position: integer("position").primaryKey({ autoIncrement: true }),
  hook: text("hook").notNull(),
  deliveryId: text("delivery_id").notNull(),
  replay: integer("replay").notNull(),
  receivedAt: integer("received_at").notNull(),
  decision: text("decision").$type<DeliveryDecision>().notNull(),
  runId: text("run_id"),
  reason: text("reason"),
  headers: text("headers", { mode: "json" }).$type<Record<string, string>>(),
  body: blob("body").$type<ArrayBuffer | Uint8Array>(),
});

export const kv = sqliteTable(
  "kv",
  {
    scope: text("scope").notNull(),
    key: text("key").notNull(),
    value: text("value"),
    version: integer("version").notNull(),
    expiresAt: integer("expires_at"),
  },
  (table) => [primaryKey({ columns: [table.scope, table.key] })],
);

export const operations = sqliteTable("operations", {
  runId: text("run_id").notNull(),
  key: text("key").notNull(),
  version: integer("version").notNull(),
  note: text("note"),
});

export const locks = sqliteTable("locks", {
  ticket: integer("ticket").primaryKey({ autoIncrement: true }),
  name: text("name").notNull(),
  runId: text("run_id").notNull(),
  key: text("key").notNull(),
  slots: integer("slots").notNull(),
  queue: text("queue"),
  rank: integer("rank").notNull(),
  requestedAt: integer("requested_at").notNull(),
  grantedAt: integer("granted_at"),
  endedAt: integer("ended_at"),
});

export const endpoints = sqliteTable("endpoints", {
  name: text("name").primaryKey(),
  position: integer("position").notNull(),
  holder: text("holder"),
  expiresAt: integer("expires_at").notNull(),
  epoch: integer("epoch").notNull(),
  restUntil: integer("rest_until"),
  disabledAt: integer("disabled_at"),
});

export const notices = sqliteTable(
  "notices",
  {
    endpoint: text("endpoint").notNull(),
    position: integer("position").notNull(),
    runId: text("run_id").notNull(),
    seq: integer("seq").notNull(),
    type: text("type").notNull(),
    status: text("status").$type<NoticeStatus>().notNull(),
    tries: integer("tries").notNull(),
    createdAt: integer("created_at").notNull(),
    firstAt: integer("first_at"),
    dueAt: integer("due_at"),
    endedAt: integer("ended_at"),
    note: text("note"),
  },
  (table) => [primaryKey({ columns: [table.endpoint, table.position] })],
);

export const messages = sqliteTable("messages", {
  position: integer("position").primaryKey({ autoIncrement: true }),
  topic: text("topic").notNull(),
  id: text("id").notNull(),
  payload: text("payload").notNull(),
  tags: text("tags", { mode: "json" }).$type<Tags>().notNull(),
  at: integer("at").notNull(),
  token: text("token").notNull(),
  publishedAt: integer("published_at").notNull(),
  dispatchedAt: integer("dispatched_at"),
});

export const subscriptions = sqliteTable(
  "subscriptions",
  {
    workflow: text("workflow").notNull(),
    name: text("name").notNull(),
    version: text("version").notNull(),
    text: text("text").notNull(),
  },
  (table) => [primaryKey({ columns: [table.workflow, table.name] })],
);

export const endsCursor = sqliteTable("ends_cursor", {
  one: integer("one").primaryKey(),
  position: integer("position").notNull(),
});

export const waits = sqliteTable("waits", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  runId: text("run_id").notNull(),
  key: text("key").notNull(),
  topic: text("topic").notNull(),
  match: text("match"),
  after: integer("after"),
  given: integer("given"),
  endedAt: integer("ended_at"),
});

export const dispatches = sqliteTable("dispatches", {
  position: integer("position").notNull(),
  subject: text("subject").notNull(),
  decision: text("decision").$type<DispatchDecision>().notNull(),
  reason: text("reason"),
  runId: text("run_id"),
  gathering: integer("gathering"),
});

export const gatherings = sqliteTable("gatherings", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  subject: text("subject").notNull(),
  key: text("key").notNull(),
  kind: text("kind").$type<GatheringRow["kind"]>().notNull(),
  openedAt: integer("opened_at").notNull(),
  dueAt: integer("due_at").notNull(),
  count: integer("count").notNull(),
  length: integer("length").notNull(),
  isOpen: integer("is_open", { mode: "boolean" }).notNull(),
  firedAt: integer("fired_at"),
  runId: text("run_id"),
  reason: text("reason"),
});

export const places = sqliteTable(
  "places",
  {
    runId: text("run_id").notNull(),
    line: text("line").notNull(),
    slots: integer("slots").notNull(),
    rank: integer("rank").notNull(),
    hold: text("hold").$type<PlaceHold>().notNull(),
    share: text("share").notNull(),
    cost: integer("cost").notNull(),
    requestedAt: integer("requested_at").notNull(),
    grantedAt: integer("granted_at"),
    endedAt: integer("ended_at"),
  },
  (table) => [primaryKey({ columns: [table.runId, table.line] })],
);

export const buckets = sqliteTable("buckets", {
  bucket: text("bucket").primaryKey(),
  usedUntil: real("used_until").notNull(),
});

export const lines = sqliteTable("lines", {
  line: text("line").primaryKey(),
  slots: integer("slots"),
  paused: integer("paused", { mode: "boolean" }).notNull(),
  held: integer("held").notNull(),
  turn: integer("turn").notNull(),
});

export const turns = sqliteTable(
  "turns",
  {
    line: text("line").notNull(),
    share: text("share").notNull(),
    turn: integer("turn").notNull(),
    waits: integer("waits", { mode: "boolean" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.line, table.share] })],
);

export const apiKeys = sqliteTable("api_keys", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  hash: text("hash").notNull(),
  scopes: text("scopes", { mode: "json" }).$type<string[]>().notNull(),
  createdAt: integer("created_at").notNull(),
  revokedAt: integer("revoked_at"),
});

export const schedules = sqliteTable("schedules", {
  id: text("id").primaryKey(),
  workflow: text("workflow").notNull(),
  version: text("version"),
  definition: text("definition").notNull(),
  source: text("source").$type<ScheduleRow["source"]>().notNull(),
  generation: integer("generation").notNull(),
  revision: integer("revision").notNull(),
  token: text("token").notNull(),
  pausedAt: integer("paused_at"),
  note: text("note"),
  cursor: integer("cursor").notNull(),
  nextAt: integer("next_at"),
  waiting: integer("waiting").notNull(),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at").notNull(),
});

export const firings = sqliteTable(
  "firings",
  {
    scheduleId: text("schedule_id").notNull(),
    at: integer("at").notNull(),
    lane: text("lane").$type<FiringRow["lane"]>().notNull(),
    until: integer("until"),
    instants: integer("instants"),
    decision: text("decision").$type<FiringRow["decision"]>().notNull(),
    cause: text("cause").$type<FiringRow["cause"]>().notNull(),
    reason: text("reason"),
    runId: text("run_id"),
    generation: integer("generation").notNull(),
    decidedAt: integer("decided_at"),
    isOpen: integer("is_open", { mode: "boolean" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.scheduleId, table.at, table.lane] })],
);
