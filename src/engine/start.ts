/** A start: what is checked before anything is written, and what is written. */
import { checkSize, encodePayload, type Payload } from "../kernel/codec.ts";
import { parseDuration } from "../kernel/duration.ts";
import * as errors from "../kernel/errors.ts";
import { dataText, type EventData, type EventOf, FORMAT_VERSION, type Tags } from "../kernel/events.ts";
import type { Json } from "../kernel/json.ts";
import { invalidOption } from "../kernel/options.ts";
import { checkName } from "../kernel/text.ts";
import type { DeliveryRow, RunAppend, RunStart } from "../log/port.ts";
import type { Source } from "../worker/writer.ts";
import type { StartOptions } from "./api.ts";

/** The most tags of a run. */
const TAGS_MAX = 32;

/** A start whose options are checked and whose input is encoded. */
export interface PreparedStart {
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
}

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

/**
 * Checks a start's options.
 *
 * @throws DefinitionError, LimitError
 */
export function prepareStart(
  run: Pick<PreparedStart, "runId" | "workflow" | "version" | "createdAt" | "input">,
  options: StartOptions & { readonly delivery?: DeliveryRow },
): PreparedStart {
  const { idempotencyKey, delay, deadline, delivery } = options;
  const { runId, workflow, version, createdAt, input } = run;
  return {
    runId,
    workflow,
    version,
    input,
    createdAt,
    idempotencyKey: idempotencyKey === undefined ? null : checkName("the idempotency key", idempotencyKey),
    tags: options.tags === undefined ? NO_TAGS : checkTags(options.tags),
    availableAt: createdAt + (delay === undefined ? 0 : parseDuration(delay)),
    deadlineAt: deadline === undefined ? null : createdAt + parseDuration(deadline),
    delivery: delivery ?? null,
  };
}

const NO_TAGS: Tags = {};

/**
 * Checks the names and values of tags.
 *
 * @throws DefinitionError `NAME_INVALID`, `OPTION_INVALID`; LimitError `TAGS_LIMIT`
 */
export function checkTags(tags: Tags): Tags {
  if (typeof tags !== "object" || tags === null) throw invalidOption("tags", "texts by name", tags);
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) {
    throw new errors.LimitError("TAGS_LIMIT", `expected at most ${TAGS_MAX} tags, but found ${entries.length}`, {
      max: TAGS_MAX,
      found: entries.length,
    });
  }
  for (const [name, value] of entries) {
    checkName("the name of a tag", name);
    checkName(`the value of tag "${name}"`, value);
  }
  return { ...tags };
}

/** Its first event. `worker`: who claims it in the same write. */
export function createdEvent(start: PreparedStart, worker: string | null): EventOf<"run.created"> {
  const { runId, createdAt, workflow, version, input, idempotencyKey, tags, availableAt, deadlineAt, delivery } = start;
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
  if (delivery !== null) data.delivery = { hook: delivery.hook, id: delivery.deliveryId };
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
export function startRow(start: PreparedStart, worker: string | null): RunStart {
  const { runId, workflow, version, idempotencyKey, tags, createdAt, deadlineAt, delivery } = start;
  return {
    runId,
    workflow,
    version,
    idempotencyKey,
    tags,
    createdAt,
    deadlineAt,
    owner: worker,
    delivery,
    parentId: null,
  };
}

/** A run that nobody claims with its start: it is written as pending. */
export class PendingStart implements Source {
  readonly runId: string;
  readonly #created: EventOf<"run.created">;
  readonly #availableAt: number;
  readonly #written: (created: EventOf<"run.created">) => void;
  #taken = false;

  constructor(start: PreparedStart, written: (created: EventOf<"run.created">) => void) {
    this.runId = start.runId;
    this.#created = createdEvent(start, null);
    this.#availableAt = start.availableAt;
    this.#written = written;
  }

  take(): RunAppend | null {
    if (this.#taken) return null;
    this.#taken = true;
    const { type, v, key, scope, attempt, at, data } = this.#created;
    return {
      runId: this.runId,
      epoch: 0,
      firstSeq: 1,
      events: [{ type, v, key, scope, attempt, at, data: dataText(data) }],
      drained: [],
      row: {
        kind: "move",
        unclean: "keep",
        status: "pending",
        availableAt: this.#availableAt,
        release: true,
        result: null,
        startedAt: null,
        endedAt: null,
        stuck: null,
      },
      beyond: null,
    };
  }

  written(): void {
    this.#written(this.#created);
  }

  /** Another run has its idempotency key: the writer's verdict says which. */
  lost(): void {}

  refused(): void {}
}

/** Whether two inputs are the same value, whatever the order of their keys. */
export function isSameInput(a: Payload, b: Payload): boolean {
  return canonical(a as unknown as Json) === canonical(b as unknown as Json);
}

function canonical(json: Json | undefined): string {
  if (json === undefined) return "";
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(canonical).join()}]`;
  const entries = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${canonical(value)}`).join()}}`;
}
