/** A run for the wire. Pure. */
import type { RunInfo } from "../engine/api-run.ts";
import { toFailure } from "../kernel/failure.ts";
import { encodeValue } from "./value.ts";
import type { WireRun } from "./wire.ts";

export function encodeRun(info: RunInfo): WireRun {
  const { output, error, stuck, cancelReason, ...plain } = info;
  return {
    ...plain,
    ...(info.status === "completed" ? encodeOutput(output) : {}),
    ...(error === undefined ? {} : { error: toFailure(error) as NonNullable<WireRun["error"]> }),
    ...(cancelReason === undefined ? {} : { cancelReason }),
    ...(stuck === undefined ? {} : { stuck }),
  };
}

function encodeOutput(output: unknown): Pick<WireRun, "output" | "outputMeta"> {
  const { value, meta } = encodeValue(output);
  return { output: value, ...(meta === undefined ? {} : { outputMeta: meta }) };
}
