/** A log that loses messages, to show that what looks for lost ones finds them. */
import type { LogStore } from "../../src/log/port.ts";
import type { InboxMessage, InboxRow } from "../../src/log/port-inbox.ts";
import type { RunRow } from "../../src/log/port-runs.ts";
import type { RunAppend, WriteVerdict } from "../../src/log/port-write.ts";

/** Where a message comes to: the row of its run, and what waits there. */
export interface Inbox {
  readonly row: RunRow;
  readonly mail: readonly InboxRow[];
}

/** A log that says that it has taken a message and has not, if `isLost` says so of the message and where it comes to. */
export function forgetful(store: LogStore, isLost: (message: InboxMessage, inbox: Inbox) => boolean): LogStore {
  const kept = async (messages: readonly InboxMessage[]): Promise<InboxMessage[]> => {
    const found: InboxMessage[] = [];
    for (const message of messages) {
      const row = await store.getRun(message.runId);
      const mail = await store.readInbox([message.runId]);
      if (row === null || !isLost(message, { row, mail })) found.push(message);
    }
    return found;
  };
  const part = async (run: RunAppend): Promise<RunAppend> =>
    run.beyond === null ? run : { ...run, beyond: { ...run.beyond, tells: await kept(run.beyond.tells) } };
  const append: LogStore["append"] = async (write) => {
    const messages = await kept(write.messages);
    const verdict = await store.append({ ...write, messages, runs: await Promise.all(write.runs.map(part)) });
    return { ...verdict, messages: new Map(write.messages.map((message) => [message.token, told(message, verdict)])) };
  };
  return { ...store, append };
}

function told({ token }: InboxMessage, verdict: WriteVerdict) {
  return verdict.messages.get(token) ?? "accepted";
}
