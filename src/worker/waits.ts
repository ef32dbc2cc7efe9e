/**
 * Waits for messages, as a run's call asks the log for them.
 *
 * I1 The log decides how a wait ends: a message is given to it, or it expires, never both. What was decided is in its row
 *    until the run ends, so a call that is asked again learns the same.
 * I2 A message is seen by the wait's own look back if it was published before the wait was open, and by whoever dispatches it
 *    if later: by exactly one of the two, whatever happens at the same time, and in order.
 */
import type { Payload } from "../kernel/codec.ts";
import type { Operation } from "../log/port-keyed.ts";
import type { MessageRow, MessageStore, WaitVerdict } from "../log/port-messages.ts";
import type { AwaitedMessage, GivenMessage, WantedMessage } from "./recorder.ts";

/** The part of the log that waits are in. */
export type WaitStore = Pick<MessageStore, "requestWait" | "openWait" | "giveMessage" | "expireWait" | "lookBack">;

/** How many messages are looked at at once. */
const PAGE = 100;

/** Begins the wait, or finds it; a message from before is given to it. `input`: the run's. Throws `lost` when the run is somebody else's. */
export async function awaitMessage(
  store: WaitStore,
  operation: Operation,
  { topic, match, since, isMeant }: WantedMessage,
  input: Payload,
  lost: symbol,
): Promise<AwaitedMessage> {
  let verdict = await store.requestWait({ topic, match, isOpen: since === null, operation });
  let seen = 0;
  while (since !== null && verdict.kind === "waiting" && !verdict.isOpen) {
    const page = await store.lookBack(operation.runId, { topic, since, after: seen, limit: PAGE });
    const meant = page.find((row) => isMeant(givenMessage(row), input));
    seen = page.at(-1)?.position ?? seen;
    if (meant !== undefined) verdict = await store.giveMessage(operation, meant.position);
    else if (page.length < PAGE) verdict = await store.openWait(operation, { since, seen });
  }
  return held(verdict, lost);
}

/** Ends the wait, unless a message was given to it first. Throws `lost` when the run is somebody else's. */
export async function expireWait(store: WaitStore, operation: Operation, lost: symbol): Promise<AwaitedMessage> {
  return held(await store.expireWait(operation), lost);
}

function held(verdict: WaitVerdict, lost: symbol): AwaitedMessage {
  if (verdict.kind === "lost") throw lost;
  return verdict.kind === "given" ? { kind: "given", message: givenMessage(verdict.message) } : { kind: verdict.kind };
}

function givenMessage({ topic, id, payload, at, tags }: MessageRow): GivenMessage {
  return { topic, id, payload: JSON.parse(payload) as Payload, tags, at };
}
