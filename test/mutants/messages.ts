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
