/** Where a test lets the process die: in a body, or around a write. Each point once. */
import type { LogStore } from "../log/port.ts";
import type { LogWrite } from "../log/port-write.ts";
import { testInvalid } from "./invalid-option.ts";
import { type StepPattern, stepPattern } from "./step-pattern.ts";
import type { BodyMoment } from "./trouble.ts";
import { over, type WatchedBody } from "./watched.ts";

/** A place at which the process dies, as by SIGKILL. */
export type CrashPoint =
  | {
      /** The key of a step; `[*]` and `#*` stand for any index and occurrence. */
      readonly step: string;
      /** As its body begins, at a wait in virtual time within it, or when it has ended and that is not recorded yet. */
      readonly moment: "begin" | "wait" | "end";
      /** @default 1 */
      readonly attempt?: number;
    }
  | {
      /** The n-th write to the log, from 1, not counting those that start runs. */
      readonly write: number;
      /** When nothing of it is done, or when all of it is and the process does not know. */
      readonly moment: "before" | "after";
    };

const BODY_MOMENTS: readonly BodyMoment[] = ["begin", "wait", "end"];
const WRITE_MOMENTS = ["before", "after"] as const;

/** A point as it was checked. */
type Point =
  | { readonly kind: "body"; readonly pattern: StepPattern; readonly moment: BodyMoment; readonly attempt: number }
  | { readonly kind: "write"; readonly write: number; readonly moment: (typeof WRITE_MOMENTS)[number] };

export class CrashPoints {
  readonly #open: Set<Point>;
  readonly #crash: () => void;
  #writes = 0;

  /**
   * @param crash kills the process that lives
   * @throws DefinitionError `TEST_INVALID`
   */
  constructor(points: unknown, crash: () => void) {
    if (!Array.isArray(points)) throw testInvalid("crashes", "a list of places at which the process dies", points);
    this.#open = new Set(points.map((point, i) => checked(`crashes[${i}]`, point)));
    this.#crash = crash;
  }

  /** Bodies have reached a moment. */
  atBody(moment: BodyMoment, bodies: readonly WatchedBody[]): void {
    const isHit = (point: Point) =>
      point.kind === "body" &&
      point.moment === moment &&
      bodies.some(({ key, attempt }) => point.pattern.matches(key) && point.attempt === attempt);
    this.#crashIf(isHit);
  }

  /** The log, around whose writes the process may die. */
  around(store: LogStore): LogStore {
    return over(store, {
      append: async (write) => {
        const isCounted = write.starts.length === 0 && write.runs.some(({ events }) => events.length > 0);
        if (isCounted) this.#writes++;
        if (isCounted && this.#crashAtWrite("before")) return await new Promise<never>(() => {});
        return await store.append(write);
      },
    });
  }

  /** A write is done, and its process does not know yet. */
  written({ starts }: LogWrite): void {
    if (starts.length === 0) this.#crashAtWrite("after");
  }

  #crashAtWrite(moment: (typeof WRITE_MOMENTS)[number]): boolean {
    return this.#crashIf((point) => point.kind === "write" && point.moment === moment && point.write === this.#writes);
  }

  #crashIf(isHit: (point: Point) => boolean): boolean {
    const point = [...this.#open].find(isHit);
    if (point === undefined) return false;
    this.#open.delete(point);
    this.#crash();
    return true;
  }
}

function checked(place: string, point: unknown): Point {
  const {
    step,
    write,
    moment,
    attempt = 1,
  } = (point ?? {}) as { readonly [Name in "step" | "write" | "moment" | "attempt"]?: unknown };
  if (step !== undefined) {
    if (!isCount(attempt)) throw testInvalid(`${place}.attempt`, "a whole number from 1", attempt);
    return {
      kind: "body",
      pattern: stepPattern(`${place}.step`, step),
      moment: oneOf(place, BODY_MOMENTS, moment),
      attempt,
    };
  }
  if (!isCount(write)) throw testInvalid(place, "{ step, moment } or { write, moment }", point);
  return { kind: "write", write, moment: oneOf(place, WRITE_MOMENTS, moment) };
}

function oneOf<T extends string>(place: string, allowed: readonly T[], found: unknown): T {
  if (allowed.includes(found as T)) return found as T;
  throw testInvalid(`${place}.moment`, `one of ${allowed.join(", ")}`, found);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
