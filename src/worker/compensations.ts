import { isWithin } from "../kernel/keys.ts";
import type { Compensation, Compensations } from "./recorder.ts";

/** What undoes the steps of one run. Rebuilt by replay: it holds code. */
export class RegisteredCompensations implements Compensations {
  #registered: Compensation[] = [];
  readonly #awaited = new Set<{ readonly scope: string }>();

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

  take(): Compensation[] {
    const last = this.#registered.reverse();
    this.#registered = [];
    return last;
  }
}
