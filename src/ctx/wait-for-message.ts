/** `ctx.waitForMessage`: a message that was published on a topic. */
import { decodePayload, type Payload } from "../kernel/codec.ts";
import { type Duration, parseDuration } from "../kernel/duration.ts";
import type { RunEvent } from "../kernel/events.ts";
import { invalidOption } from "../kernel/options.ts";
import { type MessageExpression, runMatchText } from "../triggers/message-expression.ts";
import { type MatchedRun, type Message, matchesRun } from "../triggers/subscription.ts";
import { checkTopic } from "../triggers/topic.ts";
import type {
  AwaitedMessage,
  CallRequest,
  GivenMessage,
  LiveCall,
  ScopeHandle,
  Settlement,
} from "../worker/recorder.ts";

export interface WaitForMessageOptions {
  /**
   * Which messages are meant: an expression of {@link cel} over `message` (`topic`, `id`, `payload`, `at`, `tags`) and `run`
   * (`id`, `workflow`, `input`, `tags`). No function: it is kept in the log, and any process may have to decide it, also one
   * without this code.
   *
   * @default all
   * @example match: cel("message.payload.order == run.input.id")
   */
  readonly match?: MessageExpression;
  /** The longest wait; after it the call comes to null. @default no bound */
  readonly timeout?: Duration;
  /**
   * Also a message that was published before the call, if it happened at this instant or later, is kept still, and was not
   * given to this run before. The earliest is taken.
   *
   * @default the call: later ones only
   */
  readonly since?: Date | number;
}

/** Asks for a message, from `now`, the instant of the last outcome. */
export function messageRequest(
  scope: ScopeHandle,
  run: Omit<MatchedRun, "input">,
  topic: string,
  options: WaitForMessageOptions,
  now: number,
): CallRequest {
  const { timeout, since } = options;
  const what = `the wait for a message on ${JSON.stringify(topic)}`;
  checkTopic(topic);
  const match = runMatchText(`match of ${what}`, options.match);
  const dueAt = timeout === undefined ? null : now + parseDuration(timeout);
  const sinceMs = since === undefined ? null : instantOf(`since of ${what}`, since);
  const isMeant = (found: GivenMessage, input: Payload) =>
    matchesRun(match, messageOf(found), { ...run, input: decodePayload(input) });
  const asked = {
    topic,
    ...(match === null ? {} : { match }),
    ...(sinceMs === null ? {} : { since: sinceMs }),
    ...(dueAt === null ? {} : { dueAt }),
  };
  return {
    kind: "message",
    name: topic,
    scope,
    isSharing: true,
    live: (call) => {
      if (!call.isBegun) call.record("message.awaited", null, asked);
      const wanted = { topic, match, since: sinceMs, isMeant };
      // Also by a run that waits already: it may have been given its message while nobody was there to hear it.
      call.operate({ run: (shared) => shared.awaitMessage(wanted), done: (answer) => goOn(call, answer) });
    },
    given,
  };
}

function instantOf(what: string, since: Date | number): number {
  const ms = since instanceof Date ? since.getTime() : since;
  if (typeof ms === "number" && Number.isFinite(ms)) return ms;
  throw invalidOption(what, "a Date, or milliseconds since the epoch", since);
}

function goOn(call: LiveCall, answer: AwaitedMessage): void {
  if (answer.kind === "given") call.conclude("message.received", null, answer.message);
  else if (answer.kind === "expired") call.conclude("message.expired", null, {});
  else {
    const { dueAt } = call.state;
    if (dueAt !== null) call.waitUntil(dueAt, () => expire(call));
    call.waitForMail();
  }
}

/** The log says which came first: the time-out, or a message that is on its way here. */
function expire(call: LiveCall): void {
  call.operate({
    run: (shared) => shared.expireWait(),
    done: (answer) => (answer.kind === "waiting" ? call.waitForMail() : goOn(call, answer)),
  });
}

function given(outcome: RunEvent): Settlement {
  return outcome.type === "message.received"
    ? { kind: "resolve", value: messageOf(outcome.data) }
    : { kind: "resolve", value: null };
}

/** A message with its payload decoded. */
function messageOf({ topic, id, payload, at, tags = {} }: GivenMessage): Message {
  return { topic, id, payload: decodePayload(payload), at, tags };
}
