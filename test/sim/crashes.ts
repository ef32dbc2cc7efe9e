/** Crashes at every append of a run: before the write, after it and before its answer, and at the answer. */
import type { Fault, FaultKind } from "../../src/testing/faults.ts";
import { failureText, type Life, live } from "./life.ts";
import { familyDifferences } from "./story.ts";
import type { Subject } from "./subject.ts";

/** What a crash lane has done. */
export interface CrashReport {
  readonly subjects: number;
  /** Appends of the runs without faults. */
  readonly appends: number;
  /** Runs that met their crashes and were taken up by another process. */
  readonly resumes: number;
  readonly failures: readonly string[];
}

const MOMENTS = ["crash-before", "crash-after", "crash-at-reply"] as const satisfies readonly FaultKind[];

/** Each crash by itself. */
export async function crashAtEveryAppend(subjects: readonly Subject[], exclusive: boolean): Promise<CrashReport> {
  const tally = new Tally(exclusive);
  for (const subject of subjects) {
    const whole = await tally.whole(subject);
    for (const first of crashesOf("p1", appendsOf(whole))) await tally.crashed(subject, whole, [first]);
  }
  return tally.report();
}

/** The subjects that need the fewest appends, but more than one. */
export async function smallest(subjects: readonly Subject[], count: number): Promise<Subject[]> {
  const sized: { readonly subject: Subject; readonly appends: number }[] = [];
  for (const subject of subjects) sized.push({ subject, appends: appendsOf(await live(subject, { exclusive: true })) });
  const sorted = sized.filter(({ appends }) => appends > 1).sort((a, b) => a.appends - b.appends);
  return sorted.slice(0, count).map(({ subject }) => subject);
}

/**
 * Each pair of crashes: the second one hits the process that takes up the run after the first.
 *
 * @param isTried which pairs, by the number of each
 */
export async function crashInEveryRecovery(
  subjects: readonly Subject[],
  exclusive: boolean,
  isTried: (pair: number) => boolean,
): Promise<CrashReport> {
  const tally = new Tally(exclusive);
  let pair = 0;
  for (const subject of subjects) {
    const whole = await tally.whole(subject);
    for (const first of crashesOf("p1", appendsOf(whole))) {
      const once = await live(subject, { exclusive, only: [first] });
      const inRecovery = appendsOf(once) - Number(first.id.split("/").at(-1));
      for (const second of crashesOf("p2", inRecovery)) {
        if (isTried(pair++)) await tally.crashed(subject, whole, [first, second]);
      }
    }
  }
  return tally.report();
}

const appendsOf = ({ calls }: Life) => calls.get("append") ?? 0;

function crashesOf(proc: string, appends: number): Fault[] {
  return Array.from({ length: appends }, (_, i) => `${proc}/append/${i + 1}`).flatMap((id) =>
    MOMENTS.map((kind) => ({ id, kind })),
  );
}

class Tally {
  readonly #exclusive: boolean;
  readonly #failures: string[] = [];
  #subjects = 0;
  #appends = 0;
  #resumes = 0;

  constructor(exclusive: boolean) {
    this.#exclusive = exclusive;
  }

  /** The run without faults. */
  async whole(subject: Subject): Promise<Life> {
    const whole = await live(subject, { exclusive: this.#exclusive });
    this.#subjects++;
    this.#appends += appendsOf(whole);
    this.#note(subject, "no crash", whole.failures.map(failureText));
    return whole;
  }

  async crashed(subject: Subject, whole: Life, crashes: readonly Fault[]): Promise<void> {
    const life = await live(subject, { exclusive: this.#exclusive, only: crashes });
    const { order, hasFixedValues } = subject;
    // Who opens a file as its owner goes on at once, but a shared log lets the dead one's lease run out first. And two crashes
    // can take both attempts of a step, and so both its waits.
    const isQuick = this.#exclusive && crashes.length === 1;
    const keepsOrder = order === "sequential" || (order === "staggered" && isQuick);
    const when = crashes.map(({ id, kind }) => `${kind} ${id}`).join(", ");
    this.#note(subject, when, [
      ...life.failures.map(failureText),
      ...familyDifferences(whole.family, life.family, { keepsOrder, hasFixedValues }),
      ...(life.processes === crashes.length + 1 ? [] : [`${life.processes} processes for ${crashes.length} crashes`]),
    ]);
    this.#resumes += life.processes - 1;
  }

  #note({ name }: Subject, when: string, wrong: readonly string[]): void {
    this.#failures.push(...wrong.map((each) => `${name}, ${when}: ${each}`));
  }

  report(): CrashReport {
    return { subjects: this.#subjects, appends: this.#appends, resumes: this.#resumes, failures: this.#failures };
  }
}
