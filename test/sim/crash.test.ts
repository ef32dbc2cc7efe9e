import { describe, expect, it } from "vitest";
import { CORPUS } from "./corpus.ts";
import type { CrashReport } from "./crashes.ts";
import { crashLane, SUBJECTS, sampledSecondCrashLane, secondCrashLane } from "./exhaustive.ts";
import { live } from "./life.ts";
import { differences } from "./story.ts";
import { programSubject } from "./subject.ts";

const TOPOLOGIES = [
  ["a file that each process owns in turn", true],
  ["a log that is shared", false],
] as const;

function print(what: string, { subjects, appends, resumes }: CrashReport): void {
  console.log(`${what}: ${subjects} workflows, ${appends} appends, ${resumes} resumes`);
}

describe("a crash at every append", () => {
  it("is tried with at least 40 programs and the examples, each under a name of its own", () => {
    expect(CORPUS.length).toBeGreaterThanOrEqual(40);
    expect(SUBJECTS.length).toBeGreaterThanOrEqual(CORPUS.length + 4);
    expect(new Set(SUBJECTS.map(({ name }) => name)).size).toBe(SUBJECTS.length);
  });

  for (const [what, exclusive] of TOPOLOGIES) {
    it(`changes nothing about what a run comes to, in ${what}`, async () => {
      const report = await crashLane("short", exclusive);
      print(`crashes, ${what}`, report);
      expect(report.failures).toEqual([]);
      expect(report.appends).toBeGreaterThan(4 * report.subjects);
      expect(report.resumes).toBe(3 * report.appends);
    }, 180_000);

    it(`and one more in the recovery change nothing about a small run, in ${what}`, async () => {
      const report = await secondCrashLane(exclusive);
      print(`two crashes, ${what}`, report);
      expect(report.failures).toEqual([]);
      expect(report.subjects).toBe(10);
      // Two of each pair, and each recovery has two appends or more.
      expect(report.resumes).toBeGreaterThan(2 * 3 * 3 * 2 * report.subjects);
    }, 180_000);

    it(`and one more in the recovery change nothing about any run, as far as sampled, in ${what}`, async () => {
      const report = await sampledSecondCrashLane("short", exclusive);
      print(`two crashes, sampled, ${what}`, report);
      expect(report.failures).toEqual([]);
      expect(report.resumes).toBeGreaterThan(300);
    }, 180_000);
  }
});

describe("what a run's story is compared by", () => {
  const subject = programSubject(CORPUS.find(({ name }) => name === "three-steps")!);
  const options = { keepsOrder: true, hasFixedValues: true };
  const whole = async () => (await live(subject, { exclusive: true })).family.get("the run")!;

  it("sees that an event is missing, twice there, out of order, or of another value", async () => {
    const history = await whole();
    const [a, b] = history.filter(({ type }) => type === "step.completed");
    const changed = [
      history.filter((event) => event !== a),
      [...history, b!],
      history.toReversed(),
      history.map((event) => (event === a ? { ...event, data: '{"value":"another"}' } : event)),
    ];
    for (const each of changed) expect(differences(history, each, options)).not.toEqual([]);
    expect(differences(history, history, options)).toEqual([]);
  });

  it("sees an attempt that was interrupted although there was no crash", async () => {
    const history = await whole();
    const at = history.findIndex(({ type }) => type === "attempt.started");
    const { key, epoch } = history[at]!;
    const interrupted = { ...history[at]!, type: "attempt.interrupted", data: '{"reason":"lost"}' };
    const again = { ...history[at]!, attempt: 2 };
    const found = [...history.slice(0, at + 1), interrupted, again, ...history.slice(at + 1)];
    expect(differences(history, found, options)).toEqual([
      `attempt.interrupted ${key} at ${interrupted.seq}, and no crash is its cause`,
    ]);
    const later = found.map((event, i) => (i > at ? { ...event, epoch: epoch + 1 } : event));
    expect(differences(history, later, options)).toEqual([]);
  });
});
