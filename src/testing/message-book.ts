/**
 * What the checker knows of messages: what was acknowledged, what was decided, how waits have ended. It judges each write of
 * them by what the log has after it.
 */
import type {
  DispatchDecision,
  DispatchRow,
  MessageStore,
  NewMessage,
  PublishVerdict,
  WaitVerdict,
} from "../log/port-messages.ts";
import type { Expect } from "./book.ts";

/** How many messages were published, and how many decisions there were on them of each kind. */
export type MessageCounts = Readonly<Partial<Record<"published" | DispatchDecision, number>>>;

const ROWS_MAX = 10_000;

export class MessageBook {
  readonly #expect: Expect;
  readonly #truth: Pick<MessageStore, "getMessage" | "listDispatches">;
  /** By topic and id: where it is. */
  readonly #published = new Map<string, number>();
  /** By position: what was decided, as a text. */
  readonly #decided = new Map<number, string>();
  /** By run and call: how its wait has ended. */
  readonly #waits = new Map<string, string>();

  constructor(expect: Expect, truth: Pick<MessageStore, "getMessage" | "listDispatches">) {
    this.#expect = expect;
    this.#truth = truth;
  }

  /** A message that was acknowledged is there, at one place, with what was said first. */
  async published({ topic, id, payload }: NewMessage, { position, created }: PublishVerdict): Promise<void> {
    const name = `${topic} ${id}`;
    const before = this.#published.get(name) ?? position;
    this.#published.set(name, before);
    const found = await this.#truth.getMessage(topic, id);
    const isSame = found?.position === position && before === position && (!created || found.payload === payload);
    this.#expect("acknowledged-message-kept", isSame, () => `message ${id} on ${topic} is not what was acknowledged`);
  }

  /** What was decided of a message stands, and no subscription has started two runs for it. */
  async dispatched(position: number): Promise<void> {
    const rows = await this.#truth.listDispatches(position, { after: 0, limit: ROWS_MAX });
    const started = rows.filter(({ decision }) => decision === "started").map(({ subject }) => subject);
    const text = JSON.stringify(
      rows.filter(isOfDispatch).map(({ subject, decision, runId }) => [subject, decision, runId]),
    );
    const before = this.#decided.get(position) ?? text;
    this.#decided.set(position, before);
    const isOnce = new Set(started).size === started.length && before === text;
    this.#expect("message-dispatched-once", isOnce, () => `message ${position} was dispatched ${before}, then ${text}`);
  }

  /** A wait ends in one way. */
  waited(runId: string, key: string, epoch: number, verdict: WaitVerdict): void {
    if (verdict.kind === "lost" || verdict.kind === "waiting") return;
    // A run that was reopened asks anew, under a later epoch than its last.
    const end = verdict.kind === "given" ? `given ${verdict.message.position}` : "expired";
    const call = `${runId} ${key}`;
    const before = this.#waits.get(call) ?? end;
    this.#waits.set(call, before);
    this.#expect(
      "wait-ends-one-way",
      before === end,
      () => `the wait ${call} has ${before}, and in epoch ${epoch} ${end}`,
    );
  }

  /** How many messages somebody published, and how many decisions there are on them of each kind. */
  async counts(): Promise<MessageCounts> {
    const counts: { -readonly [Name in keyof MessageCounts]: MessageCounts[Name] } = {};
    for (const position of this.#published.values()) {
      const decisions = await this.#truth.listDispatches(position, { after: 0, limit: ROWS_MAX });
      for (const name of ["published" as const, ...decisions.map(({ decision }) => decision)])
        counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }

  /** The run is over: what it waits for after a retry is another thing. */
  forget(runId: string): void {
    for (const call of [...this.#waits.keys()]) if (call.startsWith(`${runId} `)) this.#waits.delete(call);
  }
}

/** What is gathered has its run later, and what a look back gives comes before. */
function isOfDispatch({ decision }: DispatchRow): boolean {
  return decision !== "woke" && decision !== "debounced" && decision !== "batched";
}
