/** The calls of a run that have no settlement, in the order in which they were made, and by the scope they were made in. */
import type { Call } from "./call.ts";

export class OpenCalls {
  readonly #byKey = new Map<string, Call>();
  /** By the key of the scope: of so many items of a map each ends without a look at the others. */
  readonly #byScope = new Map<string, Set<Call>>();

  get(key: string): Call | undefined {
    return this.#byKey.get(key);
  }

  values(): MapIterator<Call> {
    return this.#byKey.values();
  }

  add(call: Call): void {
    this.#byKey.set(call.key, call);
    const { path } = call.request.scope;
    const beside = this.#byScope.get(path);
    if (beside === undefined) this.#byScope.set(path, new Set([call]));
    else beside.add(call);
  }

  delete(call: Call): void {
    this.#byKey.delete(call.key);
    this.#byScope.get(call.request.scope.path)?.delete(call);
  }

  /** Takes out what is open in a scope that ends, and in scopes within it. */
  takeWithin(scope: string): Call[] {
    const taken: Call[] = [];
    const scopes = [scope];
    for (const path of scopes) {
      for (const call of this.#byScope.get(path) ?? []) {
        this.#byKey.delete(call.key);
        taken.push(call);
        if (call.request.kind === "scope") scopes.push(call.key);
      }
      this.#byScope.delete(path);
    }
    return taken;
  }

  clear(): void {
    this.#byKey.clear();
    this.#byScope.clear();
  }
}
