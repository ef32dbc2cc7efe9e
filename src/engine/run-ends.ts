/** The ends of runs as messages: each is published once, in the order of the log. */
import { decodePayload, encodePayload } from "../kernel/codec.ts";
import { type EventOf, parseEvent } from "../kernel/events.ts";
import type { MessageStore, NewMessage, RunEndRow } from "../log/port-messages.ts";
import { endTopic, type RunEnd } from "../triggers/subscription.ts";

/** How many events are read at once. */
const WINDOW = 500;

/** Publishes what has ended since the last time. Nothing is read of a log to whose ends nobody listens. */
export async function captureEnds(store: MessageStore): Promise<void> {
  for (;;) {
    const ahead = await store.endsAhead(WINDOW);
    if (ahead === null || ahead.until === ahead.from) return;
    await store.publishEnds(ahead.from, ahead.until, ahead.ends.map(endMessage));
  }
}

type EndEvent = EventOf<"run.completed"> | EventOf<"run.failed"> | EventOf<"run.cancelled">;

/** A run that was reopened ends again: each end has an id of its own. */
function endMessage({ event: row, workflow, version, tags }: RunEndRow): NewMessage {
  const event = parseEvent(row) as EndEvent;
  const status = event.type.slice("run.".length) as RunEnd["status"];
  const end: RunEnd = { runId: row.runId, workflow, version, status, tags, ...resultOf(event) };
  const id = `${row.runId}/${row.seq}`;
  // An output may use all that the log takes of a value, and what stands around it here is some more.
  const payload = JSON.stringify(encodePayload(end, Number.POSITIVE_INFINITY));
  return { topic: endTopic(status), id, payload, tags, at: row.at, token: id };
}

function resultOf(event: EndEvent): Partial<RunEnd> {
  switch (event.type) {
    case "run.completed":
      return { output: decodePayload(event.data) };
    case "run.failed": {
      const { name, message, code } = event.data.error;
      return { error: { name, message, ...(typeof code === "string" ? { code } : {}) } };
    }
    case "run.cancelled":
      return event.data.reason === undefined ? {} : { reason: event.data.reason };
  }
}
