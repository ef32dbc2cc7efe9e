/** A run's row, decoded for its readers. Pure. */
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { type Failure, fromFailure } from "../kernel/failure.ts";
import type { WaitingFor } from "../kernel/why.ts";
import type { RunRow } from "../log/port-runs.ts";
import type { RunInfo } from "./api-run.ts";

export function runInfo<Output>(row: RunRow, waitingFor: WaitingFor | null): RunInfo<Output> {
  const reason = row.status === "cancelled" ? cancelReason(row) : null;
  return {
    id: row.id,
    workflow: row.workflow,
    version: row.version,
    status: row.status,
    tags: row.tags,
    idempotencyKey: row.idempotencyKey,
    parentId: row.parentId,
    output: row.status === "completed" ? (decodePayload(parse<Payload>(row.result)) as Output) : undefined,
    error: row.status === "failed" ? fromFailure(parse<Failure>(row.result)) : undefined,
    ...(reason === null ? {} : { cancelReason: reason }),
    stuck: row.status === "stuck" ? parse(row.stuck) : undefined,
    waitingFor,
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    availableAt: row.availableAt ?? row.lineAt,
    deadlineAt: row.deadlineAt,
    worker: row.owner,
    events: row.head,
  };
}

/** Why the run was cancelled; null: nobody said. */
export function cancelReason(row: RunRow): string | null {
  return parse<{ reason: string | null }>(row.result).reason;
}

function parse<T>(text: string | null): T {
  return JSON.parse(text ?? "{}") as T;
}
