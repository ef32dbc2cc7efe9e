/** A start: what is checked before anything is written, and what is written. */
import type { Payload } from "../kernel/codec.ts";
import { parseDuration } from "../kernel/duration.ts";
import type { EventOf, Trigger } from "../kernel/events.ts";
import type { Json } from "../kernel/json.ts";
import { checkTags, NO_TAGS } from "../kernel/tags.ts";
import { checkName } from "../kernel/text.ts";
import type { DeliveryRow } from "../log/port-deliveries.ts";
import type { RunAppend } from "../log/port-write.ts";
import { appendedEvent, createdEvent, type NewRun, type NewRunLimits } from "../worker/new-run.ts";
import type { Source } from "../worker/writer.ts";
import type { StartOptions } from "./api-run.ts";

/**
 * Checks a start's options. `limitsAt`: the places that it needs if it may begin then.
 *
 * @throws DefinitionError, LimitError
 */
export function prepareStart(
  run: Pick<NewRun, "runId" | "workflow" | "version" | "createdAt" | "input">,
  options: StartOptions & { readonly delivery?: DeliveryRow; readonly trigger?: Trigger },
  limitsAt: (availableAt: number) => NewRunLimits | null,
): NewRun {
  const { idempotencyKey, delay, deadline, delivery } = options;
  const { runId, workflow, version, createdAt, input } = run;
  const availableAt = createdAt + (delay === undefined ? 0 : parseDuration(delay));
  return {
    runId,
    workflow,
    version,
    input,
    createdAt,
    idempotencyKey: idempotencyKey === undefined ? null : checkName("the idempotency key", idempotencyKey),
    tags: options.tags === undefined ? NO_TAGS : checkTags(options.tags),
    availableAt,
    deadlineAt: deadline === undefined ? null : createdAt + parseDuration(deadline),
    delivery: delivery ?? null,
    parent: null,
    trigger: delivery === undefined ? options.trigger : triggerOf(delivery),
    limits: limitsAt(availableAt),
  };
}

function triggerOf({ hook, deliveryId }: DeliveryRow): Trigger {
  return { kind: "webhook", source: hook, id: deliveryId };
}

/** A run that nobody claims with its start: it is written as pending. */
export class PendingStart implements Source {
  readonly runId: string;
  readonly #created: EventOf<"run.created">;
  /** Null: it gets in line first. */
  readonly #availableAt: number | null;
  readonly #written: (created: EventOf<"run.created">) => void;
  #taken = false;

  constructor(start: NewRun, written: (created: EventOf<"run.created">) => void) {
    this.runId = start.runId;
    this.#created = createdEvent(start, null);
    this.#availableAt = start.limits === null ? start.availableAt : null;
    this.#written = written;
  }

  take(): RunAppend | null {
    if (this.#taken) return null;
    this.#taken = true;
    return {
      runId: this.runId,
      epoch: 0,
      firstSeq: 1,
      events: [appendedEvent(this.#created)],
      drained: [],
      row:
        this.#availableAt === null
          ? { kind: "advance", unclean: "keep", startedAt: null }
          : {
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
  return canonicalPayload(a) === canonicalPayload(b);
}

function canonicalPayload({ value, meta = [] }: Payload): string {
  return canonical([value, meta]);
}

function canonical(json: Json | undefined): string {
  if (json === undefined) return "";
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(canonical).join()}]`;
  const entries = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${canonical(value)}`).join()}}`;
}
