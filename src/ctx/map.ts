/**
 * `ctx.map`: a function for each item of a list, so many items at a time.
 *
 * Each item is a scope, and so one outcome once it has concluded. There is none around all of them: their outputs together
 * may be larger than what the log takes.
 */
import { CancelledError, MapFailedError } from "../kernel/errors.ts";
import { callKey, itemKey } from "../kernel/keys.ts";
import { clipText } from "../kernel/text.ts";
import type { CallRequest, Recorder, ScopeHandle } from "../worker/recorder.ts";
import type { Ctx, MapOptions, Settled, ToleratingMapOptions } from "./ctx.ts";
import { type MapPlan, mapPlan } from "./map-plan.ts";
import { scopeRequest } from "./scope.ts";

/** Where a map stands. */
export interface MapPlace {
  readonly recorder: Recorder;
  readonly scope: ScopeHandle;
  readonly contextOf: (inner: ScopeHandle) => Ctx;
}

type ItemBody = (item: unknown, scope: Ctx, index: number) => PromiseLike<unknown>;

/** Begins with the first items in this very turn. */
export async function mapItems(
  place: MapPlace,
  name: string,
  items: readonly unknown[],
  body: ItemBody,
  options?: MapOptions | ToleratingMapOptions,
): Promise<unknown[]> {
  const plan = mapPlan(name, items, body, options);
  const { recorder, scope } = place;
  const occurrence = scope.next("call", name);
  const tally = new Tally(callKey(scope.path, name, occurrence), recorder.run.id, plan);
  const settled: Settled<unknown>[] = Array(plan.items.length);
  let next = 0;
  const lane = async () => {
    while (next < plan.items.length && tally.mayBegin) {
      const index = next++;
      const request = itemRequest(place, name, { occurrence, index }, (inner) => body(plan.items[index], inner, index));
      const item = await settlementOf(recorder.ask(request));
      settled[index] = item;
      tally.count(index, item);
    }
  };
  const lanes = Math.min(plan.concurrency, plan.items.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  tally.check(plan.items.length - next);
  return plan.failuresMax === null ? settled.map((item) => (item as Completed).value) : settled;
}

type Completed = Extract<Settled<unknown>, { status: "completed" }>;

function itemRequest(
  { recorder, scope, contextOf }: MapPlace,
  name: string,
  item: NonNullable<CallRequest["item"]>,
  body: (inner: Ctx) => PromiseLike<unknown>,
): CallRequest {
  const { compensations } = recorder;
  return { ...scopeRequest({ scope, name, body: (inner) => body(contextOf(inner)), compensations }), item };
}

function settlementOf(asked: Promise<unknown>): Promise<Settled<unknown>> {
  return asked.then(
    (value) => ({ status: "completed", value }),
    (error) => ({ status: "failed", error }),
  );
}

/** An error names so many of the items that failed. */
const FAILURES_NAMED_MAX = 10;

/** The most characters of each one's message. */
const MESSAGE_LENGTH_MAX = 200;

/** The failures of a map's items, and what follows from them. */
class Tally {
  readonly #map: string;
  readonly #runId: string;
  readonly #plan: MapPlan;
  readonly #first: { readonly index: number; readonly error: Error }[] = [];
  #failed = 0;
  #cancelled: CancelledError | null = null;

  constructor(map: string, runId: string, plan: MapPlan) {
    this.#map = map;
    this.#runId = runId;
    this.#plan = plan;
  }

  /** Whether further items may begin. */
  get mayBegin(): boolean {
    return this.#cancelled === null && !this.#isOverMax;
  }

  get #isOverMax(): boolean {
    return this.#failed > (this.#plan.failuresMax ?? 0);
  }

  /** Items are counted in the order in which the code is given their outcomes, which is that of the log. */
  count(index: number, item: Settled<unknown>): void {
    if (item.status === "completed") return;
    const { error } = item;
    // That the run is cancelled is no item's failure, and nothing that can be tolerated.
    if (error instanceof CancelledError && error.facts["runId"] === this.#runId) this.#cancelled ??= error;
    this.#failed++;
    if (this.#first.length < FAILURES_NAMED_MAX) this.#first.push({ index, error });
  }

  /** Throws what the map fails with, if it does. */
  check(notBegun: number): void {
    if (this.#cancelled !== null) throw this.#cancelled;
    if (!this.#isOverMax) return;
    const cause = this.#first[0]?.error;
    throw this.#plan.failuresMax === null ? cause : this.#tooMany(this.#plan.failuresMax, notBegun, cause);
  }

  #tooMany(tolerated: number, notBegun: number, cause: unknown): MapFailedError {
    const items = this.#plan.items.length;
    const failures = this.#first.map(({ index, error }) => ({
      index,
      message: clipText(error.message, MESSAGE_LENGTH_MAX),
    }));
    const [first] = failures;
    const rest = notBegun === 0 ? "" : ` (not begun: ${notBegun})`;
    const message =
      `expected at most ${tolerated} of the ${items} items of map "${this.#map}" to fail, but ${this.#failed} did` +
      `${rest}; the first was "${itemKey(this.#map, first?.index ?? 0)}": ${first?.message}`;
    const facts = { map: this.#map, items, tolerated, failed: this.#failed, notBegun, failures };
    return new MapFailedError("MAP_FAILED", message, facts, { cause });
  }
}
