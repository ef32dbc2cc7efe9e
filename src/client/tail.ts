/**
 * The log over HTTP as it grows. A connection that ends is made again from the last position that came, so nothing is
 * missed and nothing comes twice.
 */

import { StoreError } from "../kernel/errors.ts";
import type { RunEvent } from "../kernel/events.ts";
import { API_PATH, runPath } from "./paths.ts";
import { Patience } from "./patience.ts";
import { type Connection, request } from "./request.ts";
import { messages } from "./sse.ts";

export interface TailOptions {
  readonly after: number;
  readonly runId: string | null;
  readonly signal: AbortSignal | null;
}

/** The server says something every 15 s: after so long without a word the connection is taken for dead. */
const SILENCE_MS_MAX = 45_000;

/** Ends when the signal is aborted, and with a run's last event when it is one run's. */
export async function* tail(connection: Connection, options: TailOptions): AsyncGenerator<RunEvent> {
  const { runId, signal } = options;
  const patience = new Patience(connection.clock, signal);
  let { after } = options;
  while (!isAborted(signal)) {
    try {
      const path = runId === null ? `${API_PATH}/events` : `${runPath(runId)}/events`;
      for await (const event of connected(connection, path, after, signal)) {
        patience.restore();
        if (event === "over") return;
        after = event.position;
        yield event;
        if (isAborted(signal)) return;
      }
    } catch (error) {
      if (isAborted(signal)) return;
      await patience.endure(error);
    }
  }
}

function isAborted(signal: AbortSignal | null): boolean {
  return signal?.aborted === true;
}

/** The events of one connection. `over`: there will be no more. */
async function* connected(
  connection: Connection,
  path: string,
  after: number,
  signal: AbortSignal | null,
): AsyncGenerator<RunEvent | "over"> {
  const headers = { accept: "text/event-stream", "last-event-id": String(after) };
  const { response, close } = await request(connection, { path, headers, signal });
  if (response.status === 204 || response.body === null) {
    close();
    yield "over";
    return;
  }
  let cancelSilence = () => {};
  const heard = () => {
    cancelSilence();
    cancelSilence = connection.clock.timer(SILENCE_MS_MAX, close);
  };
  try {
    heard();
    for await (const { data } of messages(response.body, heard)) yield eventOf(data);
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(
      "CONNECTION_LOST",
      `the connection to ${connection.url} ended in the middle`,
      { url: connection.url, retry: true },
      { cause },
    );
  } finally {
    cancelSilence();
    close();
  }
}

function eventOf(data: string): RunEvent {
  let event: Partial<RunEvent> | null;
  try {
    event = JSON.parse(data) as Partial<RunEvent> | null;
  } catch (cause) {
    throw new StoreError("STREAM_INVALID", "expected an event of the log as JSON, but found other text", {}, { cause });
  }
  if (typeof event?.position === "number" && typeof event.type === "string") return event as RunEvent;
  throw new StoreError("STREAM_INVALID", "expected an event of the log, but found other JSON");
}
