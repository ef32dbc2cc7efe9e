/** A run as the API gives it, decoded. Pure. */
import type { RunInfo } from "../engine/api-run.ts";
import type { WireRun } from "../http/wire.ts";
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { RunCancelledError, RunFailedError } from "../kernel/errors.ts";
import { type Failure, fromFailure } from "../kernel/failure.ts";

export function decodeRun<Output>(run: WireRun): RunInfo<Output> {
  const { output, outputMeta, error, stuck, cancelReason, ...plain } = run;
  return {
    ...plain,
    output: run.status === "completed" ? (decodePayload(payloadOf(output, outputMeta)) as Output) : undefined,
    error: error === undefined ? undefined : fromFailure(error as Failure),
    ...(cancelReason === undefined ? {} : { cancelReason }),
    stuck,
  };
}

/** What a run that is over came to. */
export function outputOf<Output>(run: RunInfo<Output>): Output {
  const { id, workflow, status, error: cause } = run;
  if (status === "completed") return run.output as Output;
  if (status === "cancelled") {
    const { cancelReason: reason = null } = run;
    throw new RunCancelledError("RUN_CANCELLED", `run ${id} was cancelled${reason === null ? "" : `: ${reason}`}`, {
      runId: id,
      reason,
    });
  }
  throw new RunFailedError(
    "RUN_FAILED",
    `run ${id} of ${workflow} failed: ${cause?.message}`,
    { runId: id },
    { cause },
  );
}

function payloadOf(value: unknown, meta: unknown): Payload {
  return (meta === undefined ? { value } : { value, meta }) as Payload;
}
