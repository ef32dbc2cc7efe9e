/** `ctx.lock`: a part of a run that only so many runs are in at a time. */
import { assert } from "../kernel/assert.ts";
import { type Duration, formatDuration, parseDuration } from "../kernel/duration.ts";
import { TimeoutError } from "../kernel/errors.ts";
import { checkNumbers } from "../kernel/options.ts";
import type { CallRequest, LiveCall, ScopeHandle } from "../worker/recorder.ts";
import { rejected } from "./settle.ts";
import { checkLockName } from "./step-queue.ts";

export interface LockOptions {
  /** How many may hold it at once. All who ask for a lock should say the same. @default 1 */
  readonly slots?: number;
  /** The longest wait for it. @default no bound */
  readonly timeout?: Duration;
}

const RANGES = { slots: [1, 1_000_000] } as const;

/** Asks for a lock, from `now`, the instant of the last outcome. Comes to the call's key. */
export function lockRequest(scope: ScopeHandle, name: string, options: LockOptions, now: number): CallRequest {
  checkLockName(name);
  const { slots = 1 } = options;
  checkNumbers("lock", { slots }, { slots }, RANGES);
  const timeoutMs = options.timeout === undefined ? null : parseDuration(options.timeout);
  const dueAt = timeoutMs === null ? {} : { dueAt: now + timeoutMs };
  return {
    kind: "lock",
    name: `${name}.lock`,
    scope,
    isSharing: true,
    live: (call) => {
      if (!call.isBegun) call.record("lock.requested", null, { name, slots, ...dueAt });
      // Also by a run that is in the line already: it may have been granted the lock while nobody was there to hear it.
      call.operate({
        entersLine: true,
        run: (shared) => shared.enterLine(name, slots),
        done: (place) => (place === "granted" ? call.conclude("lock.acquired", null, {}) : wait(call)),
      });
    },
    given: (outcome, call) => {
      if (outcome.type === "lock.acquired") return { kind: "resolve", value: call.key };
      assert(outcome.type === "lock.expired", "a call for a lock ends by its grant or its time-out");
      const waited = timeoutMs === null ? "" : ` of ${formatDuration(timeoutMs)}`;
      const message = `expected the lock "${name}" within the time-out${waited}, but those before in line still hold it or wait for it`;
      return rejected(new TimeoutError("LOCK_TIMEOUT", message, { lock: name, step: call.key }));
    },
  };
}

function wait(call: LiveCall): void {
  const { dueAt } = call.state;
  if (dueAt !== null) call.waitUntil(dueAt, () => call.conclude("lock.expired", null, {}));
  call.waitForMail();
}
