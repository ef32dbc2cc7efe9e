import { Occurrences } from "../kernel/keys.ts";
import type { Counted, ScopeHandle } from "./recorder.ts";

/** A place in which names are counted: a run's top level, or within one of its scopes. */
export class Scope implements ScopeHandle {
  readonly path: string;
  readonly isShielded: boolean;
  #ended = false;
  readonly #occurrences: Partial<Record<Counted, Occurrences>> = { call: new Occurrences() };

  constructor(path: string, isShielded = false) {
    this.path = path;
    this.isShielded = isShielded;
  }

  next(kind: Counted, name: string): number {
    const counted = this.#occurrences[kind] ?? new Occurrences();
    this.#occurrences[kind] = counted;
    return counted.next(name);
  }

  /** Its function has returned: from now on a call in it is a mistake. */
  end(): void {
    this.#ended = true;
  }

  get ended(): boolean {
    return this.#ended;
  }
}
