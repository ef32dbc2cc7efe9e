/**
 * What the checker knows of parents and children: each history says of the other what it says of itself, and a child that
 * nobody waits for any more is told so.
 *
 * Owns: which children's ends have been looked at. Called by the checker at every write, and at the end.
 */
import type { ParentLink } from "../kernel/events.ts";
import { ROOT_SCOPE, scopeOfKey } from "../kernel/keys.ts";
import type { LogStore } from "../log/port.ts";
import { type Expect, type RunBook, TERMINAL } from "./book.ts";

export class FamilyBook {
  readonly #expect: Expect;
  readonly #truth: LogStore;
  readonly #books: ReadonlyMap<string, RunBook>;
  /** Children whose end is in their parents' histories. */
  readonly #told = new Set<string>();
  /** Children whose end nobody waits for any more. */
  readonly #left = new Set<string>();

  constructor(expect: Expect, truth: LogStore, books: ReadonlyMap<string, RunBook>) {
    this.#expect = expect;
    this.#truth = truth;
    this.#books = books;
  }

  /** A write to the run was made: it may have ended something. */
  async look(runId: string): Promise<void> {
    this.#checkEnds(runId);
    await this.#checkLeft(runId);
  }

  /** A parent is told of its child's end by the write that ends the child, and so never before. */
  #checkEnds(runId: string): void {
    for (const [childId, { end }] of this.#books.get(runId)?.children ?? []) {
      if (end === null || this.#told.has(childId)) continue;
      this.#told.add(childId);
      const type = `run.${end.type.slice("child.".length)}`;
      const hasEnded = this.#books.get(childId)?.events.some((event) => event.type === type) === true;
      this.#expect(
        "child-and-parent-agree",
        hasEnded,
        () => `run ${runId} has ${end.type} of ${childId} before its end`,
      );
    }
  }

  /** What has ended in a run tells the children within that nobody waits for them any more. */
  async #checkLeft(runId: string): Promise<void> {
    const book = this.#books.get(runId);
    for (const [childId, { key, end }] of book?.children ?? []) {
      if (book === undefined || end !== null || this.#left.has(childId) || !isLeft(book, key)) continue;
      this.#left.add(childId);
      const mail = await this.#truth.readInbox([childId]);
      const isTold = mail.some(({ kind, token }) => kind === "cancel" && token.startsWith(`${runId}/`));
      const child = this.#books.get(childId);
      const isEnding = child?.isOver === true || child?.events.some(({ type }) => type === "cancel.requested") === true;
      const isRight = isAbandoned(book, childId) ? !isTold : isTold || isEnding;
      this.#expect(
        "left-child-told",
        isRight,
        () => `child ${childId} of run ${runId} is left${isTold ? "" : " untold"}`,
      );
    }
  }

  /** The children that a run waits for. */
  awaitedBy(runId: string): string[] {
    const children = [...(this.#books.get(runId)?.children ?? [])];
    return children.flatMap(([id, { end }]) => (end === null ? [id] : []));
  }

  /** What a parent's history says of its children, and they of it. */
  finish(runId: string, book: RunBook): void {
    for (const [childId, { key, end }] of book.children) {
      const child = this.#books.get(childId);
      const ended = child?.events.find(({ type }) => TERMINAL.has(type));
      const isSame = end === null || `child.${ended?.type.slice("run.".length)}` === end.type;
      const isThere = child !== undefined && parentOf(child)?.runId === runId && parentOf(child)?.key === key;
      this.#expect("child-and-parent-agree", isThere && isSame, () => `child ${childId} of run ${runId}: ${end?.type}`);
    }
    const parent = parentOf(book);
    if (parent === null || parent.detached === true) return;
    const isKnown = this.#books.get(parent.runId)?.children.has(runId) === true;
    this.#expect("child-and-parent-agree", isKnown, () => `run ${parent.runId} does not know of its child ${runId}`);
  }
}

/** Whether nobody waits any more for what the call under `key` comes to. */
function isLeft({ isOver, calls }: RunBook, key: string): boolean {
  for (let scope = scopeOfKey(key); scope !== ROOT_SCOPE; scope = scopeOfKey(scope))
    if ((calls.get(scope)?.outcome ?? null) !== null) return true;
  return isOver;
}

/** Whether a child goes on when nobody waits for it any more. */
function isAbandoned({ events }: RunBook, childId: string): boolean {
  const data = events.map((event) => (event.type === "child.started" ? event.data : null));
  return data.some((text) => text?.includes(childId) === true && text.includes('"abandoned":true'));
}

function parentOf({ events: [created] }: RunBook): ParentLink | null {
  return (JSON.parse(created?.data ?? "{}") as { readonly parent?: ParentLink }).parent ?? null;
}
