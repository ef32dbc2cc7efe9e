/** The engine's bounds. Reaching one is a typed outcome, never a loop (rule R9). */
import { PAYLOAD_BYTES_MAX } from "./codec.ts";
import { checkNumbers, type Range } from "./options.ts";

export interface Limits {
  /** The largest value that the log takes, bytes. @default 1_048_576 (1 MiB) */
  readonly payloadBytesMax: number;
  /** The most events of one run; then it fails with `HISTORY_LIMIT`. @default 51_200 (as Temporal) */
  readonly historyEventsMax: number;
  /** The most runs that one run starts. @default 10_000 */
  readonly childrenMax: number;
  /** How many runs may stand above a run that a run starts. @default 32 */
  readonly childDepthMax: number;
  /** From here on a run's length is warned of, once. @default 10_240 (as Temporal) */
  readonly historyEventsWarn: number;
}

export const DEFAULT_LIMITS: Limits = {
  payloadBytesMax: PAYLOAD_BYTES_MAX,
  historyEventsMax: 51_200,
  childrenMax: 10_000,
  childDepthMax: 32,
  historyEventsWarn: 10_240,
};

/** What they may be. The texts of a value larger than this are longer than a text of JavaScript's can be. */
const RANGES: Readonly<Record<keyof Limits, Range>> = {
  payloadBytesMax: [1, 128 * 1_048_576],
  historyEventsMax: [1, 1_000_000_000],
  historyEventsWarn: [1, 1_000_000_000],
  childrenMax: [0, 1_000_000],
  childDepthMax: [0, 1_000],
};

/**
 * The limits with their defaults.
 *
 * @throws DefinitionError `OPTION_INVALID`
 */
export function checkLimits(limits: Partial<Limits>): Limits {
  return checkNumbers("limits", limits, DEFAULT_LIMITS, RANGES);
}
