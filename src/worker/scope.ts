import { Occurrences } from "../kernel/keys.ts";
import type { ScopeHandle } from "./recorder.ts";

/** A place in which names are counted: a run's top level, or within one of its scopes. */
export class Scope implements ScopeHandle {
  readonly path: string;
  readonly isShielded: boolean;
  #ended = false;
  readonly #occurrences: { call: Occurrences; random?: Occurrences; uuid?: Occurrences } = { call: new Occurrences() };

  constructor(path: string, isShielded = false) {
    this.path = path;
    this.isShielded = isShielded;
  }

  next(kind: "call" | "random" | "uuid", name: string): number {
    this.#occurrences[kind] ??= new Occurrences();
    return this.#occurrences[kind].next(name);
  }

  end(): void {
    this.#ended = true;
  }

  get ended(): boolean {
    return this.#ended;
  }
}
