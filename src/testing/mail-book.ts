/**
 * What the checker knows of mail: it is kept until its run drains it or ends, and a run does not wait beside it. What a
 * caller was told is durable stays, in the inbox or in the history.
 *
 * Owns: the mail of each run as it was last read, and what callers were told. Called by the checker at every write.
 */
import type { LogStore } from "../log/port.ts";
import type { InboxMessage } from "../log/port-inbox.ts";
import type { RunAppend } from "../log/port-write.ts";
import type { Expect, RunBook } from "./book.ts";

/** What ends a pause. */
const PAUSE_ENDS: ReadonlySet<string> = new Set(["resume", "cancel", "terminate"]);

export class MailBook {
  readonly #expect: Expect;
  readonly #truth: LogStore;
  readonly #books: ReadonlyMap<string, RunBook>;
  /** By run: the ids of its mail. */
  readonly #mail = new Map<string, readonly number[]>();
  readonly #cancels = new Set<string>();
  /** By run: the tokens of signals. */
  readonly #signals = new Map<string, Set<string>>();
  /** Runs that have left their last owner's hands in a pause. */
  readonly #resting = new Set<string>();

  constructor(expect: Expect, truth: LogStore, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#truth = truth;
    this.#books = books;
  }

  /** Whatever a write does, mail is kept until its run drains it or ends, and a run does not wait beside it. */
  async look(runId: string, taken: readonly RunAppend[], sent: readonly InboxMessage[]): Promise<void> {
    const mail = await this.#truth.readInbox([runId]);
    for (const { kind, token } of sent) {
      // One that was there already may have been taken out by the same write.
      const isTaken = taken.some(({ drained }) => drained.length > 0);
      const isThere = isTaken || this.#books.get(runId)?.isOver !== false || mail.some((row) => row.token === token);
      this.#expect("message-kept", isThere, () => `${kind} ${token} was sent to run ${runId} and did not arrive`);
    }
    const drained = new Set(taken.flatMap((run) => run.drained));
    const isKept = (id: number) =>
      drained.has(id) || this.#books.get(runId)?.isOver === true || mail.some((row) => row.id === id);
    const fenced = (this.#mail.get(runId) ?? []).every(isKept);
    this.#expect("mail-fenced", fenced, () => `mail of run ${runId} went with a write that was not taken`);
    this.#mail.set(
      runId,
      mail.map(({ id }) => id),
    );
    const tokens = new Set(mail.map(({ token }) => token));
    this.#expect("message-once", tokens.size === mail.length, () => `run ${runId} has a message twice`);
    if (this.#cancels.has(runId)) await this.#checkCancel(runId);
    if (this.#signals.has(runId)) await this.#checkSignals(runId);
    if (mail.length === 0) return;
    const row = await this.#truth.getRun(runId);
    this.#expect("no-park-with-mail", row?.status !== "waiting", () => `run ${runId} waits and has mail`);
  }

  /** Its owner has let go of it in a pause. */
  rests(runId: string): void {
    this.#resting.add(runId);
  }

  /** It was claimed: if it rested in a pause, something has ended that. */
  async claimed(runId: string): Promise<void> {
    if (!this.#resting.delete(runId)) return;
    const mail = await this.#truth.readInbox([runId]);
    const isWoken = mail.some(({ kind }) => PAUSE_ENDS.has(kind));
    this.#expect("pause-undisturbed", isWoken, () => `run ${runId} rests in a pause and was claimed`);
  }

  /** A caller was told that its cancel is durable. */
  async cancelAcknowledged(runId: string): Promise<void> {
    this.#cancels.add(runId);
    await this.#checkCancel(runId);
  }

  async #checkCancel(runId: string): Promise<void> {
    const book = this.#books.get(runId);
    // Told to a run that is over: should it go on, it knows nothing of it.
    if (book?.isOver === true) this.#cancels.delete(runId);
    const isRequested = book?.events.some(({ type }) => type === "cancel.requested") === true;
    const isKept = isRequested || book?.isOver === true || (await this.#truth.readInbox([runId])).length > 0;
    this.#expect("acknowledged-cancel-kept", isKept, () => `the cancel of run ${runId} is gone`);
  }

  /** A caller was told that its signal is durable. */
  async signalAcknowledged(runId: string, token: string): Promise<void> {
    const keys = this.#signals.get(runId) ?? new Set();
    this.#signals.set(runId, keys.add(token));
    await this.#checkSignals(runId);
  }

  async #checkSignals(runId: string): Promise<void> {
    const book = this.#books.get(runId);
    // Told to a run that is over: should it go on, it knows nothing of them.
    if (book?.isOver === true) {
      this.#signals.delete(runId);
      return;
    }
    const mail = new Set((await this.#truth.readInbox([runId])).map(({ token }) => token));
    for (const token of this.#signals.get(runId) ?? []) {
      const isKept = mail.has(token) || book?.tokens.has(token) === true;
      this.#expect("acknowledged-signal-kept", isKept, () => `signal ${token} of run ${runId} is gone`);
    }
  }

  /** Once nothing is under way any more. */
  async finish(): Promise<void> {
    for (const runId of this.#cancels) await this.#checkCancel(runId);
    for (const runId of this.#signals.keys()) await this.#checkSignals(runId);
  }
}
