/** `ctx.waitFor` and `ctx.signals`: what others tell a run. */
import { decodePayload } from "../kernel/codec.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import { DefinitionError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { fromFailure, toFailure } from "../kernel/failure.ts";
import type { ReceivedSignal } from "../kernel/state.ts";
import { checkPathName } from "../kernel/text.ts";
import type { CallRequest, LiveCall, ScopeHandle, Settlement } from "../worker/recorder.ts";
import { rejected, resolved } from "./settle.ts";

export interface WaitOptions<Payload = unknown> {
  /** The longest wait; after it the call comes to null. @default no bound */
  readonly timeout?: Duration;
  /**
   * Which payloads are meant; others are kept for other calls. Code that replay repeats: it may look at nothing but its
   * argument and what the workflow knows.
   *
   * @default all
   */
  readonly match?: (payload: Payload) => boolean;
}

/** Asks for a signal, from `now`, the instant of the last outcome. */
export function waitRequest(scope: ScopeHandle, name: string, options: WaitOptions<never>, now: number): CallRequest {
  const { timeout, match } = options;
  checkPathName("the name of a signal", name);
  if (match !== undefined && typeof match !== "function") {
    throw new DefinitionError(
      "OPTION_INVALID",
      `expected match of the wait for ${JSON.stringify(name)} to be a function, but found ${typeof match}`,
    );
  }
  const dueAt = timeout === undefined ? null : now + parseDuration(timeout);
  const isMeant = (signal: ReceivedSignal) =>
    signal.name === name && (match === undefined || match(decodePayload(signal.payload) as never));
  return { kind: "wait", name, scope, live: (call) => wait(call, name, dueAt, isMeant), given };
}

function wait(
  call: LiveCall,
  signal: string,
  asked: number | null,
  isMeant: (signal: ReceivedSignal) => boolean,
): void {
  // What was recorded counts, also if the code asks for another time now.
  const isNew = !call.isBegun;
  if (isNew) call.record("wait.started", null, asked === null ? { signal } : { signal, dueAt: asked });
  const dueAt = call.state.dueAt;
  const offer = (found: ReceivedSignal): boolean => {
    try {
      if (!isMeant(found)) return false;
      call.conclude("wait.completed", null, { seq: found.seq });
    } catch (error) {
      call.conclude("wait.failed", null, { error: toFailure(error) });
    }
    return true;
  };
  // Whoever sent it before the wait was over is heard, even if nobody was there to hear it in time.
  if (call.signals(signal).some(offer)) return;
  if (dueAt !== null) call.waitUntil(dueAt, () => call.conclude("wait.expired", null, {}));
  call.listen(offer);
}

function given(outcome: RunEvent, call: LiveCall): Settlement {
  switch (outcome.type) {
    case "wait.completed":
      return resolved(call.signal(outcome.data.seq).payload);
    case "wait.failed":
      return rejected(fromFailure(outcome.data.error));
    default:
      return { kind: "resolve", value: null };
  }
}

/** The signals of one name as they come, until a wait for the next one is over. */
export async function* signalsOf<T>(next: () => Promise<T | null>, hasTimeout: boolean): AsyncGenerator<T, void, void> {
  for (;;) {
    const payload = await next();
    if (payload === null && hasTimeout) return;
    yield payload as T;
  }
}
