import { isWithin } from "../kernel/keys.ts";
import type { Compensation, Compensations } from "./recorder.ts";

/** What undoes the steps of one run. Rebuilt by replay: it holds code. */
export class RegisteredCompensations implements Compensations {
  #registered: Compensation[] = [];

  add(compensation: Compensation): void {
    this.#registered.push(compensation);
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
