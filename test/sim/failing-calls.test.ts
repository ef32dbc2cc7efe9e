import { describe, expect, it } from "vitest";
import { failingCallLane, failingDoubtLane } from "./exhaustive.ts";
import { CALL_FAULTS, type CallsReport } from "./failing-calls.ts";

/** What a worker calls while nothing is wrong, and whoever tells its runs something. */
const SITES = [
  "append",
  "changed",
  "claim",
  "dispatchAhead",
  "getKeyed",
  "getRun",
  "heartbeat",
  "load",
  "now",
  "openWorker",
  "putKeyed",
  "readHistory",
  "readInbox",
  "releaseStuck",
  "reopen",
  "requestLock",
  "workAhead",
];

function print(what: string, { subjects, calls, runs, sites }: CallsReport): void {
  console.log(`${what}: ${subjects} workflows, ${calls} calls of ${sites.length} sites, ${runs} runs`);
}

describe("a call of the log that fails", () => {
  it("delays a run and changes nothing else about it, whichever call it is and however it fails", async () => {
    const report = await failingCallLane("short");
    print("failing calls", report);
    expect(report.failures).toEqual([]);
    expect(report.subjects).toBeGreaterThanOrEqual(10);
    expect(report.sites).toEqual(SITES);
    expect(report.runs).toBe(report.calls * CALL_FAULTS.length);
  }, 300_000);

  it("delays a run no more if the call that settles a doubtful claim fails as well", async () => {
    const report = await failingDoubtLane("short");
    print("failing calls, twice", report);
    expect(report.failures).toEqual([]);
    expect(report.sites).toEqual(["claim", "disown"]);
    expect(report.runs).toBeGreaterThanOrEqual(4 * CALL_FAULTS.length);
  }, 180_000);
});
