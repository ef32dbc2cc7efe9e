/** The mutants of messages: what is published, dispatched, gathered and waited for. */
import type { Mutant } from "./mutants.ts";

const MEMORY_MESSAGES = "src/log/memory-messages.ts";
const STATEMENTS_MESSAGES = "src/log/libsql/statements-messages.ts";

const WORLD = "messages";

export const MESSAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "message-dispatched-again",
    guard: "a message that was dispatched is not dispatched again",
    world: WORLD,
    edits: [
      {
        file: MEMORY_MESSAGES,
        text: "if (message !== undefined && message.dispatchedAt === null)",
        by: "if (message !== undefined)",
      },
    ],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "message-published-again",
    guard: "a message with the id of another one is that one",
    world: WORLD,
    edits: [
      {
        file: MEMORY_MESSAGES,
        text: "if (this.#find(message.topic, message.id) !== undefined) return;",
        by: "if (message.id === message.topic) return;",
      },
    ],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "message-from-before",
    guard: "a wait is given nothing by a dispatch that was published before the wait was open",
    world: WORLD,
    edits: [{ file: MEMORY_MESSAGES, text: "wait.after < position", by: "wait.after >= 0" }],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "input-by-the-log",
    guard: "a log that does not answer calls no input invalid",
    world: WORLD,
    edits: [
      {
        file: "src/engine/dispatch.ts",
        text: "    const input = await inputOf(subscription, message);\n",
        by: "    await parts.now();\n    const input = await inputOf(subscription, message);\n",
      },
    ],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "gathering-of-fewer",
    guard: "what is gathered starts one run with all that was put to it",
    world: WORLD,
    edits: [{ file: MEMORY_MESSAGES, text: "gathering.count !== count || ", by: "" }],
    predicate: "message-dispatched-once",
    seed: 6,
  },
  {
    name: "ends-passed-unread",
    guard: "where the log was read for ends of runs stays when somebody else listens",
    world: WORLD,
    edits: [{ file: MEMORY_MESSAGES, text: "this.#endsCursor ??= this.#host", by: "this.#endsCursor = this.#host" }],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "end-published-again",
    guard: "the end of a run is published once: the cursor moves with it, and its id names it",
    world: WORLD,
    edits: [
      { file: MEMORY_MESSAGES, text: "if (this.#endsCursor !== from) return;", by: "" },
      {
        file: "src/engine/run-ends.ts",
        text: "const id = `${row.runId}/${row.seq}`;",
        by: "const id = `${row.runId}/${row.seq}/${crypto.randomUUID()}`;",
      },
    ],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "message-missed-while-opening",
    guard: "a wait that looks back opens only if nothing came after what it has seen",
    world: WORLD,
    edits: [
      {
        file: MEMORY_MESSAGES,
        text: "if (isClosed && (await this.lookBack(operation.runId, ahead)).length === 0) wait",
        by: "if (isClosed && ahead.limit === 1) wait",
      },
    ],
    predicate: "message-dispatched-once",
    seed: 321,
  },
  {
    name: "message-given-twice",
    guard: "a run that looks back is given nothing that it was given before",
    world: WORLD,
    edits: [{ file: MEMORY_MESSAGES, text: "isWithin && !given.some", by: "isWithin || !given.every" }],
    predicate: "message-dispatched-once",
    seed: 0,
  },
  {
    name: "wait-expired-by-itself",
    guard: "the log says which came first, a message or the end of a wait",
    world: WORLD,
    edits: [
      {
        file: "src/ctx/wait-for-message.ts",
        text: "run: (shared) => shared.expireWait(),",
        by: 'run: async () => ({ kind: "expired" as const }),',
      },
    ],
    predicate: "message-dispatched-once",
    seed: 78,
  },
  {
    name: "sql-message-dispatched-again",
    guard: "a message that was dispatched is not dispatched again",
    world: "messages-over-owned-file",
    edits: [
      {
        file: STATEMENTS_MESSAGES,
        text: '"EXISTS (SELECT 1 FROM messages u WHERE u.position = :position AND u.dispatched_at IS NULL)"',
        by: '"EXISTS (SELECT 1 FROM messages u WHERE u.position = :position)"',
      },
    ],
    predicate: "message-dispatched-once",
    seed: 0,
  },
];
