/** `varve schedules`: told to a server, and to a file that nobody owns. */
import { describe, expect, it, vi } from "vitest";
import type { FiringInfo, ScheduleInfo } from "../../src/engine/api-schedules.ts";
import { json, jsonError, type Place, place } from "./varve.ts";

const REPORT = `
import { schedule, workflow } from "varve";

export const report = workflow({ name: "report" }, async (ctx, input: { customer: string }) =>
  \`\${input.customer} \${ctx.run.trigger?.id}\`,
);

export const yearly = schedule({ id: "yearly", workflow: report, input: { customer: "all" }, cron: "@yearly" });
`;

function withReport(): Place {
  const here = place();
  here.write("workflows/report.ts", REPORT);
  return here;
}

const CREATE = ["schedules", "create", "nightly", "-w", "report", "--cron", "0 3 * * *", "--tz", "Europe/Berlin"];

describe("the next instants of a pattern", () => {
  it("are shown without a database", async () => {
    const here = place();
    const args = [
      "schedules",
      "next",
      "0 3 * * *",
      "--tz",
      "Europe/Berlin",
      "--after",
      "2026-03-28T00:00:00Z",
      "-n",
      "2",
    ];
    const { code, stdout, stderr } = await here.varve(args);
    expect([code, stdout]).toEqual([
      0,
      "2026-03-28T02:00:00Z\tSat 2026-03-28 03:00:00 +01:00\n2026-03-29T01:00:00Z\tSun 2026-03-29 03:00:00 +02:00\n",
    ]);
    expect(stderr).toContain("03:00");
    const wrong = await here.varve(["schedules", "next", "0 25 * * *", "--json"]);
    expect([wrong.code, jsonError(wrong).code]).toEqual([2, "SCHEDULE_INVALID"]);
  }, 60_000);
});

describe("a server", () => {
  it("is told to make, hold, run, fill in and delete a schedule, and shows it", async () => {
    const here = withReport();
    await here.serve();
    const made = json<ScheduleInfo>(
      await here.varve([...CREATE, "-i", "customer=acme", "--overlap", "allow", "--json"]),
    );
    expect(made).toMatchObject({ id: "nightly", overlap: "allow", input: { customer: "acme" }, source: "api" });
    const list = await here.varve(["schedules", "list"]);
    expect(list.stdout).toMatch(/^nightly\tactive\treport\t.*\nyearly\tactive\treport\t/);
    expect((await here.varve(["schedules", "pause", "nightly", "--note", "a look"])).stdout).toBe(
      "schedule nightly holds\n",
    );
    expect((await here.varve(["schedules", "list"])).stdout).toContain("nightly\tpaused");
    expect((await here.varve(["schedules", "resume", "nightly"])).stdout).toBe("schedule nightly goes on\n");
    const run = (await here.varve(["schedules", "run", "nightly"])).stdout.trim();
    expect((await here.varve(["runs", "watch", run])).code).toBe(0);
    const range = ["--from", "2026-03-27T00:00:00Z", "--until", "2026-03-30T00:00:00Z"];
    expect((await here.varve(["schedules", "backfill", "nightly", ...range])).stdout).toBe("3 instants\n");
    expect((await here.varve(["schedules", "next", "nightly", "-n", "2"])).stdout.trim().split("\n")).toHaveLength(2);
    const shown = json<{ firings: FiringInfo[] }>(await here.varve(["schedules", "show", "nightly", "--json"]));
    expect(shown.firings.map(({ lane }) => lane)).toEqual(["manual", "backfill", "backfill", "backfill"]);
    const text = await here.varve(["schedules", "show", "nightly"]);
    expect(text.stdout).toMatch(/schedule {2}nightly\n.*state {5}active/s);
    expect(text.stdout).toContain(run);
    const why = await here.varve(["schedules", "show", "nightly", "--at", "2026-03-27T02:00:01Z"]);
    expect(why.stdout).toMatch(/none: the timetable does not have it/);
    expect(await here.varve(["schedules", "delete", "nightly", "--json"])).toMatchObject({
      code: 0,
      stdout: '{"id":"nightly"}\n',
    });
    const gone = await here.varve(["schedules", "show", "nightly", "--json"]);
    expect([gone.code, jsonError(gone).code]).toEqual([3, "SCHEDULE_NOT_FOUND"]);
  }, 120_000);
});

const LONG = `
import { schedule, workflow } from "varve";

export const long = workflow({ name: "long" }, (ctx) => ctx.sleep("stay", "1h"));

export const often = schedule({ id: "often", workflow: long, every: "1s", overlap: "skip" });
`;

describe("an instant that did not fire", () => {
  it("says why, over a server and without one", async () => {
    const here = place();
    here.write("workflows/long.ts", LONG);
    const server = await here.serve();
    const skipped = async () =>
      json<{ firings: FiringInfo[] }>(await here.varve(["schedules", "show", "often", "--skipped", "--json"])).firings;
    await vi.waitFor(async () => expect((await skipped()).length).toBeGreaterThan(0), { timeout: 30_000 });
    const first = (await skipped()).at(-1) as FiringInfo;
    expect(first).toMatchObject({ decision: "skipped", runId: null, reason: expect.stringMatching(/\w/) });
    const at = new Date(first.at).toISOString();
    const why = async (...more: string[]) => await here.varve(["schedules", "show", "often", ...more]);
    const line = new RegExp(`skipped: ${first.reason}\n$`);
    expect((await why("--at", at)).stdout).toMatch(line);
    expect((await why("--skipped")).stdout).toContain("skipped");
    server.kill("SIGTERM");
    await server.ended;
    expect((await why("--at", at)).stdout).toMatch(line);
    expect(json(await why("--at", at, "--json"))).toMatchObject({
      instant: { at: first.at, decision: "skipped", reason: first.reason, runId: null },
    });
  }, 120_000);
});

describe("a file", () => {
  it("has schedules made, held and read without a server", async () => {
    const here = withReport();
    expect((await here.varve(["db", "migrate"])).code).toBe(0);
    expect((await here.varve([...CREATE, "-i", "customer=acme"])).stdout).toMatch(/^schedule nightly: .*03:00/);
    expect((await here.varve(["schedules", "pause", "nightly"])).code).toBe(0);
    expect((await here.varve(["schedules", "list"])).stdout).toMatch(/^nightly\tpaused\treport\t\t/);
    const wrong = await here.varve([
      "schedules",
      "create",
      "x",
      "-w",
      "report",
      "--every",
      "1ms",
      "-i",
      "customer=a",
      "--json",
    ]);
    expect([wrong.code, jsonError(wrong).code]).toEqual([2, "SCHEDULE_INVALID"]);
    const unknown = await here.varve(["schedules", "create", "x", "-w", "nobody", "--every", "1m", "--json"]);
    expect([unknown.code, jsonError(unknown).code]).toEqual([3, "WORKFLOW_UNKNOWN"]);
  }, 120_000);
});
