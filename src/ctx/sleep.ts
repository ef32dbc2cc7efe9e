/** `ctx.sleep` and `ctx.sleepUntil`: timers in the log. */
import { assert } from "../kernel/assert.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { CallRequest, LiveCall, ScopeHandle } from "../worker/recorder.ts";
import { resolved } from "./settle.ts";

/** Asks for a timer that is due `duration` after the instant of the last outcome, `now`. */
export function sleepRequest(scope: ScopeHandle, name: string, duration: Duration, now: number): CallRequest {
  return timerRequest(scope, name, now + parseDuration(duration));
}

/** Asks for a timer that is due at `instant`. */
export function sleepUntilRequest(scope: ScopeHandle, name: string, instant: Date | string | number): CallRequest {
  return timerRequest(scope, name, instantMs(instant));
}

function timerRequest(scope: ScopeHandle, name: string, dueAt: number): CallRequest {
  return {
    kind: "timer",
    name,
    scope,
    live: (call) => arm(call, dueAt),
    given: (outcome) => {
      assert(outcome.type === "timer.fired", "a timer ends by firing");
      return resolved({ value: null, meta: [[[], "undefined"]] });
    },
  };
}

function arm(call: LiveCall, dueAt: number): void {
  const { dueAt: recorded } = call.state;
  // What was recorded counts, also if the code asks for another time now.
  if (recorded === null) call.record("timer.armed", null, { dueAt });
  call.waitUntil(recorded ?? dueAt, () => call.conclude("timer.fired", null, {}));
}

/** An ISO 8601 text must name its zone: without one it would mean another instant on another machine. */
const ZONED = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)$/;

/** @throws DefinitionError `INSTANT_INVALID` */
export function instantMs(instant: Date | string | number): number {
  const isInstant =
    typeof instant === "string" ? ZONED.test(instant.trim()) : typeof instant === "number" || isDate(instant);
  const ms = isInstant ? new Date(instant).getTime() : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  const found = isDate(instant) || typeof instant === "number" ? String(instant) : textOf(instant);
  throw new DefinitionError(
    "INSTANT_INVALID",
    `expected a Date, milliseconds since the epoch, or a time with its zone such as "2027-01-01T09:00:00Z", but found ${found}`,
    { instant: found },
  );
}

/** Also one of another realm, as test runners have. */
function isDate(value: unknown): value is Date {
  return Object.prototype.toString.call(value) === "[object Date]";
}

function textOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return value === null ? "null" : typeof value;
}
