/** A run that does not exist yet: its first event and its row. Pure. */
import { checkSize, encodePayload, type Payload } from "../kernel/codec.ts";
import {
  dataText,
  type EventData,
  type EventOf,
  FORMAT_VERSION,
  type ParentLink,
  type Tags,
  type Trigger,
} from "../kernel/events.ts";
import type { DeliveryRow } from "../log/port-deliveries.ts";
import type { AppendedEvent, ChildStart, RunLimits, RunStart } from "../log/port-write.ts";

/** A start whose options are checked and whose input is encoded. */
export interface NewRun {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  readonly input: Payload;
  readonly idempotencyKey: string | null;
  readonly tags: Tags;
  readonly createdAt: number;
  readonly availableAt: number;
  readonly deadlineAt: number | null;
  readonly delivery: DeliveryRow | null;
  readonly parent: ParentLink | null;
  /** Undefined: a caller asked for it. */
  readonly trigger?: Trigger | undefined;
  /** What it needs a place in before it may be worked on; null: nothing. */
  readonly limits: NewRunLimits | null;
}

/** The limits of a run that does not exist yet. */
export type NewRunLimits = Omit<RunLimits, "lineAt">;

/** What limits ask of a run that is about to be started. */
export type LimitedRun = Pick<NewRun, "workflow" | "version" | "input" | "availableAt">;

/**
 * The stored form of an input, sharing nothing with what the caller gave.
 *
 * @throws PayloadError
 */
export function encodeInput(input: unknown, payloadBytesMax: number): Payload {
  const text = JSON.stringify(encodePayload(input, payloadBytesMax));
  checkSize(() => "the input", text, payloadBytesMax);
  return JSON.parse(text) as Payload;
}

/** Its first event. `worker`: who claims it in the same write. */
export function createdEvent(run: NewRun, worker: string | null): EventOf<"run.created"> {
  const { runId, createdAt, workflow, version, input, idempotencyKey, tags, availableAt, deadlineAt } = run;
  // Assigned one by one: spreading what is there took a tenth of a start.
  const data: { -readonly [K in keyof EventData["run.created"]]: EventData["run.created"][K] } = {
    workflow,
    version,
    input,
  };
  if (idempotencyKey !== null) data.idempotencyKey = idempotencyKey;
  if (Object.keys(tags).length > 0) data.tags = tags;
  if (availableAt !== createdAt) data.availableAt = availableAt;
  if (deadlineAt !== null) data.deadlineAt = deadlineAt;
  if (worker !== null) data.worker = worker;
  if (run.delivery !== null) {
    const { hook, deliveryId: id, replay } = run.delivery;
    data.delivery = replay === 0 ? { hook, id } : { hook, id, replay };
  }
  if (run.parent !== null) data.parent = run.parent;
  if (run.trigger !== undefined) data.trigger = run.trigger;
  if (run.limits !== null) data.limits = run.limits.places;
  return {
    runId,
    seq: 1,
    epoch: worker === null ? 0 : 1,
    v: FORMAT_VERSION,
    position: 0,
    type: "run.created",
    key: null,
    scope: null,
    attempt: null,
    at: createdAt,
    data,
  };
}

/** Its row. */
export function startRow(run: NewRun, worker: string | null): RunStart {
  const { runId, workflow, version, idempotencyKey, tags, createdAt, deadlineAt, delivery } = run;
  const parentId = run.parent?.runId ?? null;
  const limits = run.limits === null ? null : { ...run.limits, lineAt: run.availableAt };
  const row = { runId, workflow, version, idempotencyKey, tags, createdAt, deadlineAt, delivery, parentId };
  return { ...row, owner: worker, limits };
}

/** The stored form of its first event. */
export function appendedEvent({ type, v, key, scope, attempt, at, data }: EventOf<"run.created">): AppendedEvent {
  return { type, v, key, scope, attempt, at, data: dataText(data) };
}

/** What another run's write holds of it. */
export function childStart(run: NewRun): ChildStart {
  const { availableAt } = run;
  return { start: startRow(run, null), created: appendedEvent(createdEvent(run, null)), availableAt };
}
