/** The first call of each site fails, the second, the third ... until a run comes to its end and nothing has failed. */
import { FAULT_KINDS, type Fault, type FaultKind } from "../../src/testing/faults.ts";
import { failureText, type Life, live } from "./life.ts";
import { familyDifferences } from "./story.ts";
import type { Subject } from "./subject.ts";

/** What the lane has done. */
export interface CallsReport {
  readonly subjects: number;
  /** Calls of the runs without faults. */
  readonly calls: number;
  /** Runs of which one call failed. */
  readonly runs: number;
  /** The sites whose calls failed. */
  readonly sites: readonly string[];
  readonly failures: readonly string[];
}

/** A call can fail so, and its process lives. */
export const CALL_FAULTS = FAULT_KINDS.filter((kind) => !kind.startsWith("crash"));

/** By then what came late has come. */
const AFTERWARDS_MS: Readonly<Partial<Record<FaultKind, number>>> = { "late-request": 75_000, duplicate: 15_000 };

/** Long enough for a second to be over in which calls are counted. */
const AFTERWARDS_MS_MIN = 1_500;

export async function failEveryCall(subjects: readonly Subject[]): Promise<CallsReport> {
  const lane = new Lane();
  for (const subject of subjects) {
    const whole = await lane.whole(subject);
    for (const [site, count] of whole.calls) {
      for (const kind of CALL_FAULTS) {
        let nth = 1;
        while (await lane.meets(subject, whole, [{ id: `p1/${site}/${nth}`, kind }])) nth++;
        lane.expect(nth - 1 === count, `${subject.name}: ${nth - 1} of ${count} calls of ${site} met ${kind}`);
      }
    }
  }
  return lane.report();
}

/** The answer to a claim is lost, and the call that then lets go of what it may have taken fails too. */
export async function failEveryDoubt(subjects: readonly Subject[]): Promise<CallsReport> {
  const lane = new Lane();
  for (const subject of subjects) {
    const whole = await lane.whole(subject);
    for (let nth = 1; nth <= (whole.calls.get("claim") ?? 0); nth++) {
      const lost: Fault = { id: `p1/claim/${nth}`, kind: "lost-reply" };
      for (const kind of CALL_FAULTS) await lane.meets(subject, whole, [lost, { id: "p1/disown/1", kind }]);
    }
  }
  return lane.report();
}

class Lane {
  readonly #failures: string[] = [];
  readonly #sites = new Set<string>();
  #subjects = 0;
  #calls = 0;
  #runs = 0;

  /** The run without faults. */
  async whole(subject: Subject): Promise<Life> {
    const whole = await live(subject, { exclusive: false, countsCalls: true });
    this.#subjects++;
    for (const count of whole.calls.values()) this.#calls += count;
    this.#note(`${subject.name}, no fault`, whole.failures.map(failureText));
    return whole;
  }

  /** Whether the run met all of the faults. */
  async meets(subject: Subject, whole: Life, only: readonly Fault[]): Promise<boolean> {
    const afterwardsMs = Math.max(...only.map(({ kind }) => AFTERWARDS_MS[kind] ?? AFTERWARDS_MS_MIN));
    const life = await live(subject, { exclusive: false, countsCalls: true, only, afterwardsMs });
    if (life.happened.length < only.length) return false;
    this.#runs++;
    this.expect(life.looks["no-hot-loop"] > 0, `${subject.name}: its calls were not counted`);
    for (const { id } of only) this.#sites.add(id.split("/")[1] ?? "");
    const { order, startOptions, deeds, hasFixedValues } = subject;
    // A fault takes time: who wins what is side by side hangs on that, whether a deadline is kept, and when others act.
    const isSame = order === "sequential" && startOptions.deadline === undefined && deeds.length === 0;
    this.#note(`${subject.name}, ${only.map(({ id, kind }) => `${kind} ${id}`).join(", ")}`, [
      ...life.failures.map(failureText),
      ...(isSame ? familyDifferences(whole.family, life.family, { keepsOrder: true, hasFixedValues }) : []),
    ]);
    return true;
  }

  expect(holds: boolean, what: string): void {
    if (!holds) this.#failures.push(what);
  }

  #note(where: string, wrong: readonly string[]): void {
    this.#failures.push(...wrong.map((each) => `${where}: ${each}`));
  }

  report(): CallsReport {
    const sites = [...this.#sites].sort();
    return { subjects: this.#subjects, calls: this.#calls, runs: this.#runs, sites, failures: this.#failures };
  }
}
