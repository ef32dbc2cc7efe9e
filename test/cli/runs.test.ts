/** `varve runs`: what is printed of runs, from a file and from a server. */
import { describe, expect, it } from "vitest";
import { hasEscapes, json, jsonError, type Outcome, type Place, place, WORKFLOWS } from "./varve.ts";

interface WireRun {
  readonly id: string;
  readonly workflow: string;
  readonly status: string;
}

const runsOf = (outcome: Outcome) => json<{ runs: WireRun[]; cursor: string | null }>(outcome);

/** Three runs: two of `greet`, one of `refuse`. */
async function withRuns(): Promise<Place> {
  const here = place();
  here.write("workflows/greet.ts", WORKFLOWS);
  await here.varve(["run", "greet", "-i", "name=Ada", "--id", "k1", "-t", "team=a"]);
  await here.varve(["run", "refuse"]);
  await here.varve(["run", "greet", "-i", "name=Bo", "--id", "k2", "-t", "team=b"]);
  return here;
}

describe("why", () => {
  it("says what a run waits for, and what can be done", async () => {
    const here = place();
    here.write("workflows/greet.ts", WORKFLOWS);
    const { stdout: id } = await here.varve(["run", "greet", "-i", "name=Ada", "--detach"]);
    const { code, stdout } = await here.varve(["runs", "why", id.trim()]);
    expect(code).toBe(0);
    expect(stdout).toContain("is pending and waits for:\n  worker: ");
    expect(stdout).toContain("varve serve");
    const found = json<{ waitsFor: { kind: string }[] }>(await here.varve(["runs", "why", id.trim(), "--json"]));
    expect(found).toMatchObject({ runId: id.trim(), status: "pending", waitsFor: [{ kind: "worker" }] });
    expect((await here.varve(["runs", "why", "run_none"])).code).toBe(3);
  }, 60_000);
});

/** One workflow a wait. */
const WAITING = `
import { workflow } from "varve";
const busy = { attempts: 9, initial: "1m", jitter: "none" };
const failing = () => Promise.reject(new Error("busy"));
export const timer = workflow({ name: "timer" }, (ctx) => ctx.sleep("nap", "1h"));
export const signal = workflow({ name: "signal" }, (ctx) => ctx.waitFor("approval"));
export const message = workflow({ name: "message" }, (ctx) => ctx.waitForMessage("parcels.scanned"));
export const child = workflow({ name: "child" }, (ctx) => ctx.child(timer, undefined));
export const breaker = workflow({ name: "breaker" }, (ctx) =>
  ctx.step("ask", failing, { retry: busy, breaker: { name: "bank", failures: 1, resetAfter: "10m" } }));
export const lock = workflow({ name: "lock" }, (ctx) => ctx.lock("door", {}, (held) => held.sleep("stay", "1h")));
export const slot = workflow({ name: "slot", maxActiveRuns: 1 }, (ctx) => ctx.sleep("nap", "1h"));
`;

describe("why, and the list beside it", () => {
  it("tell each wait with its name", async () => {
    const here = place();
    here.write("workflows/waiting.ts", WAITING);
    const server = await here.serve();
    const kinds = ["timer", "signal", "message", "child", "breaker", "lock", "slot"];
    for (const name of [...kinds, "lock", "slot"]) await here.varve(["run", name, "--detach"]);
    const found = new Map<string, string>();
    for (const kind of kinds) {
      const { runs } = runsOf(await here.varve(["runs", "list", "--workflow", kind, "--limit", "1", "--json"]));
      const { stdout } = await here.varve(["runs", "why", runs[0]?.id as string]);
      found.set(kind, stdout);
      expect(stdout, kind).toMatch(new RegExp(`waits for:\\n  ${kind}: `));
    }
    expect(found.get("message")).toContain("varve publish parcels.scanned");
    expect(found.get("breaker")).toContain('the breaker "bank" is open: it lets somebody try in');
    expect(found.get("lock")).toMatch(/held by run_\w+/);
    expect(found.get("slot")).toContain("number 1 in line");
    const { stdout } = await here.varve(["runs", "list"]);
    for (const remark of [
      "timer nap for",
      "signal approval for",
      "message parcels.scanned for",
      "slot workflow/slot for",
    ]) {
      expect(stdout).toContain(`\t${remark} `);
    }
    server.kill("SIGKILL");
  }, 120_000);
});

describe("list", () => {
  it("prints tab-separated values into a pipe, newest first", async () => {
    const here = await withRuns();
    const { code, stdout, stderr } = await here.varve(["runs", "list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = stdout
      .slice(0, -1)
      .split("\n")
      .map((line) => line.split("\t"));
    expect(rows.map((row) => row.slice(1, 4))).toEqual([
      ["completed", "greet", "1"],
      ["failed", "refuse", "1"],
      ["completed", "greet", "1"],
    ]);
    expect(rows.every((row) => row.length === 7)).toBe(true);
    expect(rows[1]?.[6]).toContain("no such order");
    expect(hasEscapes(stdout)).toBe(false);
  });

  it("filters, and goes on from a cursor", async () => {
    const here = await withRuns();
    const found = async (...args: string[]) =>
      runsOf(await here.varve(["runs", "list", "--json", ...args])).runs.map(({ workflow }) => workflow);
    expect(await found("--status", "failed,stuck")).toEqual(["refuse"]);
    expect(await found("--workflow", "greet")).toEqual(["greet", "greet"]);
    expect(await found("--tag", "team=b")).toEqual(["greet"]);
    expect(await found("--id", "k1")).toEqual(["greet"]);
    expect(await found("--since", "1h")).toHaveLength(3);
    expect(await found("--until", "2020-01-01")).toEqual([]);
    const first = runsOf(await here.varve(["runs", "list", "--json", "-n", "2"]));
    expect(first.runs).toHaveLength(2);
    const rest = await here.varve(["runs", "list", "--json", "-n", "2", "--cursor", String(first.cursor)]);
    expect(runsOf(rest)).toMatchObject({ runs: [{ workflow: "greet" }], cursor: null });
  }, 60_000);

  it("of a database that is not there exits with 7, and makes none", async () => {
    const here = place();
    const outcome = await here.varve(["runs", "list", "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome).code).toBe("DATABASE_NOT_FOUND");
    expect(jsonError(await here.varve(["runs", "list", "--json"])).code).toBe("DATABASE_NOT_FOUND");
  });

  it("of a file that is no database, and of one without the schema, exits with 7", async () => {
    const here = place();
    here.write("text.db", "this is no database, whatever its name says ".repeat(100));
    here.write("empty.db", "");
    const code = async (db: string) => {
      const outcome = await here.varve(["runs", "list", "--db", db, "--json"]);
      expect(outcome.code).toBe(7);
      return jsonError(outcome).code;
    };
    expect(await code("text.db")).toBe("STORE_CORRUPT");
    expect(await code("empty.db")).toBe("SCHEMA_MISSING");
  });
});

describe("show", () => {
  it("prints what happened, call by call", async () => {
    const here = await withRuns();
    const { runs } = runsOf(await here.varve(["runs", "list", "--json"]));
    const shown = await here.varve(["runs", "show", String(runs[0]?.id)]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/status\s+completed/);
    expect(shown.stdout).toMatch(/✓ compose/);
    const failed = json<{ calls: unknown[]; run: unknown; input: unknown }>(
      await here.varve(["runs", "show", String(runs[1]?.id), "--json"]),
    );
    expect(failed).toMatchObject({
      run: { status: "failed", workflow: "refuse" },
      calls: [
        {
          key: "look",
          kind: "step",
          status: "failed",
          error: { code: "NO_ORDER" },
          attempts: [{ attempt: 1, status: "failed", worker: expect.any(String), error: { message: "no such order" } }],
        },
      ],
    });
    const raw = await here.varve(["runs", "show", String(runs[0]?.id), "--events", "--json"]);
    expect(json<{ events: { type: string }[] }>(raw).events.at(-1)?.type).toBe("run.completed");
  });

  it("of a run that is not there exits with 3", async () => {
    const here = await withRuns();
    const outcome = await here.varve(["runs", "show", "run_none", "--json"]);
    expect(outcome.code).toBe(3);
    expect(jsonError(outcome).code).toBe("RUN_NOT_FOUND");
  });
});

describe("watch", () => {
  it("prints one event a line until the run ends, and exits with what became of it", async () => {
    const here = await withRuns();
    const { runs } = runsOf(await here.varve(["runs", "list", "--json"]));
    const watched = await here.varve(["runs", "watch", String(runs[1]?.id), "--json"]);
    expect(watched).toMatchObject({ code: 1, stderr: "" });
    const types = watched.stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(["run.created", "attempt.started", "step.failed", "run.failed"]);
  });

  it("sees a run of a server end that is cancelled", async () => {
    const here = place();
    here.write("workflows/greet.ts", WORKFLOWS);
    await here.serve();
    const started = await here.varve(["run", "greet", "--input", '{"name":"Ada","ms":60000}', "--json"]);
    const { id } = json<WireRun>(started);
    const watching = here.start(["runs", "watch", id]);
    await watching.printed("timer.armed", "stdout");
    const cancelled = await here.varve(["runs", "cancel", id, "--reason", "wrong name", "--json"]);
    expect(json(cancelled)).toEqual({ id, requested: true });
    const { code, stdout, stderr } = await watching.ended;
    expect(code).toBe(4);
    expect(stdout).toContain("run.cancelled");
    expect(stderr).toContain("cancelled: wrong name");
    const again = await here.varve(["runs", "cancel", id, "--json"]);
    expect(again.code).toBe(6);
    expect(jsonError(again).code).toBe("RUN_OVER");
  });

  it("of the whole log ends by Ctrl-C with 130", async () => {
    const here = await withRuns();
    const watching = here.start(["runs", "watch", "--after", "0"]);
    await watching.printed("run.completed", "stdout");
    watching.kill("SIGINT");
    expect((await watching.ended).code).toBe(130);
  });
});

describe("cancel", () => {
  it("on a file that nobody owns is found by the next worker", async () => {
    const here = place();
    here.write("workflows/greet.ts", WORKFLOWS);
    const args = ["run", "greet", "-i", "name=Ada", "--id", "k"];
    const id = (await here.varve([...args, "--detach"])).stdout.trim();
    expect(await here.varve(["runs", "cancel", id])).toMatchObject({ code: 0, stdout: `asked run ${id} to end\n` });
    expect((await here.varve(args)).code).toBe(4);
  });

  it("of a run that is not there exits with 3, of a database that is not there with 7", async () => {
    const here = await withRuns();
    expect((await here.varve(["runs", "cancel", "run_none"])).code).toBe(3);
    expect((await here.varve(["runs", "cancel", "run_none", "--db", "none.db"])).code).toBe(7);
  });
});
