import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const FOLDER = new URL(".tmp/bench", ROOT);

/** As `npm run bench` runs it, without the build. */
const BENCH = ["scripts/run-ts.mjs", "--published", "bench/main.ts", "bench/workload.ts", "--"];

/** Runs the bench on the built package, with sizes that say nothing about speed. */
async function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return await promisify(execFile)(process.execPath, [...BENCH, "--tiny", ...args], { cwd: ROOT });
}

/** What benches have in their folder at the moment. */
function folders(): string[] {
  return existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.startsWith("data-")) : [];
}

const NUMBER = expect.any(Number);

describe("the bench", { timeout: 120_000 }, () => {
  let json: string;
  let table: string;
  let errors: string;
  const before = folders();

  beforeAll(async () => {
    const [machine, person] = [await bench("--json"), await bench()];
    json = machine.stdout;
    table = person.stdout;
    errors = machine.stderr + person.stderr;
  }, 120_000);

  it("prints figures under the names on which other scripts rely", () => {
    expect(JSON.parse(json)).toEqual({
      raw: { rowsPerSecond: NUMBER, commitMs: NUMBER },
      w1: { stepsPerSecond: NUMBER, eventsPerStep: NUMBER, p50Ms: NUMBER, p99Ms: NUMBER },
      w2: { p50Ms: NUMBER, p99Ms: NUMBER },
      w3: { ms: NUMBER },
      w4: { firstMs: NUMBER, lastMs: NUMBER },
      w5: { resumeMs: NUMBER, repeatedBodies: 0 },
      w6: { rssMb: NUMBER, cpuPercent: NUMBER, wakeLagMs: NUMBER },
      w7: { emptyMs: NUMBER, plainMs: NUMBER, scopedMs: NUMBER, usPerEvent: [NUMBER, NUMBER], memoisedMs: NUMBER },
      w8: {
        diskMb: NUMBER,
        openMs: NUMBER,
        rssMb: NUMBER,
        cpuPercent: NUMBER,
        wakeLagMs: NUMBER,
        wakeLagMsMax: NUMBER,
        burstMs: NUMBER,
      },
      w9: { plainPerSecond: NUMBER, limitedPerSecond: NUMBER },
      map: { fewMs: NUMBER, manyMs: NUMBER },
      startMs: NUMBER,
      ratios: expect.any(Object),
      machine: { cpu: expect.any(String), cores: NUMBER, platform: expect.any(String), node: process.version },
      size: "tiny",
      eventsPerCommit: [NUMBER],
    });
  });

  it("counts the events of a step as the log has them: two, and two of each run", () => {
    const { w1 } = JSON.parse(json) as { w1: { eventsPerStep: number } };
    expect(w1.eventsPerStep).toBeCloseTo((2 * 3 + 2) / 3);
  });

  it("prints a table with every workload and every target, and nothing else", () => {
    const lines = table.trimEnd().split("\n");
    expect(lines.map((line) => line.split("  ")[0])).toEqual([
      ...["raw", "W1 chain", "W2 latency", "W3 fan-out", "W4 long history", "W5 resume", "W6 idle"],
      ...["W7 replay", "", "", "W8 sleepers", "", "", "W9 limits", "map", "start-up", ""],
      ...[
        "w1OfRaw",
        "w2InCommits",
        "w3OfW1",
        "w4LastOfFirst",
        "w5ResumeMs",
        "w5RepeatedBodies",
        "w6RssMb",
        "w6CpuPercent",
        "w7ScopedOfPlain",
        "w7UsPerEvent",
        "w8RssMb",
        "w8WakeLagMs",
        "w9LimitedOfPlain",
        "mapManyOfFew",
      ],
    ]);
    expect(errors).toBe("");
  });

  it("leaves no database behind", () => {
    expect(folders().filter((name) => !before.includes(name))).toEqual([]);
  });
});
