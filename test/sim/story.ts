/**
 * What a history says, without what a crash may change. A run that met crashes must tell the same story as one that met none.
 *
 * Left out on both sides: run.claimed; attempt.late, because the dead do not report what their bodies did after they had
 * stopped to matter; ids, instants and epochs. What a crash may add is this, and no more:
 *
 * - An attempt that a crash hit ends as attempt.interrupted with the reason `lost`, under a later epoch than its start, and
 *   another one follows. It counts as an attempt, so it may stand in for one that would have failed: a step with n such
 *   attempts may have up to n failed ones less, and none more. If it was the last one that the step had, the step fails, as
 *   it did without the crash; the error is then another.
 * - A step with `once` that a crash hit fails with OUTCOME_UNKNOWN, under a later epoch than its attempt's start. What comes
 *   of that is the program's affair: the oracle judges it.
 *
 * What is side by side may come in another order, because a crash begins bodies again and spares an interrupted attempt its
 * wait. So the order is compared only where it is kept.
 */
import { type EventRow, isOutcome, parseEvent, type RunEvent } from "../../src/kernel/events.ts";
import type { Family } from "./family.ts";

export interface StoryOptions {
  /** Whether a crash leaves the order of events as it is. */
  readonly keepsOrder: boolean;
  /** Whether two runs of it have the same values. */
  readonly hasFixedValues: boolean;
}

/** The same of a run and all that it has started. */
export function familyDifferences(whole: Family, crashed: Family, options: StoryOptions): string[] {
  const paths = new Set([...whole.keys(), ...crashed.keys()]);
  return [...paths].flatMap((path) => {
    const [expected, found] = [whole.get(path), crashed.get(path)];
    if (expected === undefined || found === undefined)
      return [`${path} is there ${expected === undefined ? "only with" : "only without"} the faults`];
    return differences(expected, found, options).map((each) => `${path}: ${each}`);
  });
}

/** Where a history tells another story than that of the run without faults; empty: nowhere. */
export function differences(whole: readonly EventRow[], crashed: readonly EventRow[], options: StoryOptions): string[] {
  const [expected, found] = [whole.map(parseEvent), crashed.map(parseEvent)];
  const hit = hitKeys(found);
  const tell = (events: readonly RunEvent[]) => {
    const signals = new Signals();
    const told = events
      .filter((event) => isTold(event, hit))
      .map((event) => `${textOf(event, hit, options)} ${signals.follow(event)}`);
    return options.keepsOrder ? told : told.sort();
  };
  return [...hit.wrong, ...wrongCounts(expected, found, hit), ...firstDifference(tell(expected), tell(found))];
}

/** The calls that crashes have hit, by key. */
interface Hit {
  /** How many attempts of it were interrupted. */
  readonly interrupted: ReadonlyMap<string, number>;
  readonly unknown: ReadonlySet<string>;
  /** What no crash explains. */
  readonly wrong: readonly string[];
}

function hitKeys(events: readonly RunEvent[]): Hit {
  const interrupted = new Map<string, number>();
  const unknown = new Set<string>();
  const wrong: string[] = [];
  const started = new Map<string, number>();
  for (const event of events) {
    const { type, epoch } = event;
    const key = event.key ?? "";
    if (type === "attempt.started") started.set(key, epoch);
    const isUnknown = type === "step.failed" && event.data.error.code === "OUTCOME_UNKNOWN";
    if (isUnknown) unknown.add(key);
    if (type === "attempt.interrupted") interrupted.set(key, (interrupted.get(key) ?? 0) + 1);
    if (!isUnknown && type !== "attempt.interrupted") continue;
    const isLost = isUnknown || (type === "attempt.interrupted" && event.data.reason === "lost");
    if (!isLost || epoch <= (started.get(key) ?? epoch))
      wrong.push(`${type} ${key} at ${event.seq}, and no crash is its cause`);
  }
  return { interrupted, unknown, wrong };
}

/** Of a call that was hit only its first start and its outcome are told; how many attempts it had is checked apart. */
function isTold({ type, key, attempt }: RunEvent, { interrupted }: Hit): boolean {
  if (type === "run.claimed" || type === "attempt.late") return false;
  if (!interrupted.has(key ?? "") || !type.startsWith("attempt.")) return true;
  return type === "attempt.started" && attempt === 1;
}

function textOf(event: RunEvent, { interrupted, unknown }: Hit, { hasFixedValues }: StoryOptions): string {
  const { type, scope } = event;
  const key = event.key ?? "";
  if (unknown.has(key) && isOutcome(type)) return `${key} has an outcome`;
  const attempt = event.attempt === null || interrupted.has(key) ? "" : `#${event.attempt}`;
  const value = "value" in event.data && hasFixedValues && unknown.size === 0 ? JSON.stringify(event.data.value) : "";
  const unfinished = type === "run.completed" ? (event.data.unfinished ?? []) : [];
  const failure = interrupted.has(key) ? "" : failureOf(event);
  return [key, type, attempt, scope ?? "", value, failure, ...wordsOf(event), ...unfinished].join(" ");
}

/** What others have said, and what a call was asked to be. */
const WORDS = ["name", "dedupeKey", "signal", "reason", "terminated", "abandoned", "shielded", "compensates", "kept"];

function wordsOf({ type, data }: RunEvent): string[] {
  if (type.startsWith("attempt.")) return [];
  return WORDS.flatMap((word) => (word in data ? [`${word} ${(data as Record<string, unknown>)[word]}`] : []));
}

/** Which signal a wait has taken, by the order in which they have come: its seq may be another one. */
class Signals {
  readonly #seqs: number[] = [];

  follow({ type, seq, data }: RunEvent): string {
    if (type === "signal.received") this.#seqs.push(seq);
    return type === "wait.completed" ? `takes signal ${this.#seqs.indexOf(data.seq) + 1}` : "";
  }
}

/** A failure without its stack, and without what names the run, the hour and the number of attempts. */
function failureOf(event: RunEvent): string {
  if (!("error" in event.data) || event.data.error === undefined) return "";
  const { name, message, code } = event.data.error;
  const words = message
    .replaceAll(/\brun_\w+/g, "RUN")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "INSTANT")
    .replaceAll(/after (its only attempt|\d+ attempts)/g, "after ATTEMPTS");
  return [name, code ?? "", words].join(" ");
}

function wrongCounts(expected: readonly RunEvent[], found: readonly RunEvent[], { interrupted }: Hit): string[] {
  return [...interrupted].flatMap(([key, times]) => {
    const failed = (events: readonly RunEvent[]) =>
      events.filter((event) => event.key === key && event.type === "attempt.failed").length;
    const [most, count] = [failed(expected), failed(found)];
    const isRight = count <= most && count >= most - times;
    return isRight
      ? []
      : [`${key} has ${count} failed attempts and ${times} interrupted ones in place of ${most} failed`];
  });
}

function firstDifference(expected: readonly string[], found: readonly string[]): string[] {
  const length = Math.max(expected.length, found.length);
  for (let i = 0; i < length; i++) {
    if (expected[i] !== found[i])
      return [`expected "${expected[i] ?? "the end"}", but found "${found[i] ?? "the end"}"`];
  }
  return [];
}
