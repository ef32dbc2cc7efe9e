import { isWithin } from "../kernel/keys.ts";
import type { Compensation, Compensations } from "./recorder.ts";

/** What undoes the steps of one run. Rebuilt by replay: it holds code. */
export class RegisteredCompensations implements Compensations {
  #registered: Compensation[] = [];
  readonly #awaited = new Set<{ readonly scope: string }>();
  /** What was there when all were taken: the scopes of the steps, and the scope that took them. */
  readonly #taken: { readonly scope: string; readonly by: string }[] = [];

  add(compensation: Compensation): void {
    this.#registered.push(compensation);
  }

  expect(scope: string): () => void {
    const awaited = { scope };
    this.#awaited.add(awaited);
    return () => void this.#awaited.delete(awaited);
  }

  get mayCome(): boolean {
    return this.#awaited.size > 0;
  }

  /** A scope is over: nobody is given any more what steps within it come to. */
  closeWithin(scope: string): void {
    for (const awaited of this.#awaited) if (isWithin(awaited.scope, scope)) this.#awaited.delete(awaited);
  }

  hasWithin(scope: string): boolean {
    return this.#registered.some((each) => isWithin(each.scope, scope));
  }

  mustRunAgain(scope: string): boolean {
    const isCrossing = (one: string, other: string) => isWithin(one, scope) !== isWithin(other, scope);
    return this.hasWithin(scope) || this.#taken.some((each) => isCrossing(each.scope, each.by));
  }

  take(by: string): Compensation[] {
    for (const each of [...this.#registered, ...this.#awaited]) this.#taken.push({ scope: each.scope, by });
    const last = this.#registered.reverse();
    this.#registered = [];
    return last;
  }
}
