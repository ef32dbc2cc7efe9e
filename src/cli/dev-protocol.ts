/**
 * What `varve dev` and the `varve serve` that it starts tell each other, over the channel that Node gives a child.
 *
 * The child loads its modules first, while the one before it still serves, and opens the database when it is told to:
 * so what does not load changes nothing.
 */
import process from "node:process";

/** What the child tells. */
export type DevLine =
  | { readonly told: "loaded" | "failed"; readonly files: readonly string[] }
  | { readonly told: "listening"; readonly port: number };

/** What the parent tells: the database is free. */
export const OPEN = "open";

/** In the child's environment: `first` for the first child, which introduces itself, else `next`. */
export const DEV_VARIABLE = "VARVE_DEV_CHILD";

/** The parent, as its child sees it. */
export class DevParent {
  readonly isFirst: boolean;
  #isGone = false;
  readonly #onGone = new Set<() => void>();
  readonly #mayOpen: Promise<boolean>;

  /** Null: this process was not started by `varve dev`. */
  static find(): DevParent | null {
    const order = process.env[DEV_VARIABLE];
    return order === undefined || process.send === undefined ? null : new DevParent(order === "first");
  }

  private constructor(isFirst: boolean) {
    this.isFirst = isFirst;
    this.#mayOpen = new Promise((resolve) => {
      process.once("message", (message) => resolve(message === OPEN));
      this.onGone(() => resolve(false));
    });
    process.once("disconnect", () => {
      this.#isGone = true;
      for (const tell of this.#onGone) tell();
    });
  }

  tell(line: DevLine): void {
    if (!this.#isGone) process.send?.(line);
  }

  /** Whether to go on, once the parent says. */
  async mayOpen(): Promise<boolean> {
    return await this.#mayOpen;
  }

  /** Calls `fn` when the parent has ended: its child must not stay behind. */
  onGone(fn: () => void): void {
    if (this.#isGone) fn();
    else this.#onGone.add(fn);
  }
}
