/** `varve db`, `varve doctor` and `varve keys`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { describe, expect, it } from "vitest";
import { json, jsonError, type Place, place, WORKFLOWS } from "./varve.ts";

interface DoctorReport {
  readonly problems: number;
  readonly findings: readonly { check: string; level: string; found: string; advice: string | null }[];
}

async function withRun(): Promise<Place> {
  const here = place();
  here.write("workflows/greet.ts", WORKFLOWS);
  await here.varve(["run", "greet", "-i", "name=Ada"]);
  return here;
}

/** Changes the database behind Varve's back. */
async function tamper(here: Place, ...statements: string[]): Promise<void> {
  const client = createClient({ url: `file:${join(here.path, "varve.db")}` });
  for (const statement of statements) await client.execute(statement);
  client.close();
}

describe("db migrate", () => {
  it("makes the database, and says what it applied", async () => {
    const here = place();
    const first = await here.varve(["db", "migrate", "--json"]);
    expect(first.code).toBe(0);
    expect(json<{ applied: string[] }>(first).applied).toContain("0001_log");
    expect(json(await here.varve(["db", "migrate", "--json"]))).toMatchObject({ applied: [] });
    expect((await here.varve(["db", "migrate"])).stdout).toBe("file:varve.db is up to date\n");
  });

  it("of a database of a later Varve exits with 7", async () => {
    const here = await withRun();
    await tamper(here, "INSERT INTO varve_migrations (name, hash, applied_at) VALUES ('9999_later', 'x', 0)");
    const outcome = await here.varve(["db", "migrate", "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome).code).toBe("MIGRATION_UNKNOWN");
  });
});

describe("db status", () => {
  it("describes the file, its schema, its owner and its runs", async () => {
    const here = await withRun();
    const status = () => here.varve(["db", "status", "--json"]);
    expect(json(await status())).toMatchObject({
      db: "file:varve.db",
      isCurrent: true,
      owner: { isHeld: false, server: null },
      log: { runs: { completed: 1, failed: 0 }, inbox: 0, deliveries: 0 },
    });
    const { url, process: server } = await here.serve();
    expect(json(await status())).toMatchObject({
      journalMode: "wal",
      owner: { isHeld: true, server: { url, pid: server.pid } },
    });
    const { code, stdout } = await here.varve(["db", "status"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`owned       by ${url}`);
    expect(stdout).toContain("1 completed");
  });

  it("says of a file without tables that it lacks them", async () => {
    const here = place();
    writeFileSync(join(here.path, "varve.db"), "");
    expect(json(await here.varve(["db", "status", "--json"]))).toMatchObject({ isCurrent: false, log: null });
    expect((await here.varve(["db", "status"])).stdout).toContain("varve db migrate");
  });
});

describe("db verify", () => {
  it("finds a sound log equal, also while its owner works", async () => {
    const here = await withRun();
    expect(json(await here.varve(["db", "verify", "--json"]))).toMatchObject({ equal: true, integrity: [], runs: 1 });
    await here.serve();
    expect(await here.varve(["db", "verify"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^equal: 1 runs/),
    });
  });

  it("exits with 1 and names what differs", async () => {
    const here = await withRun();
    await tamper(here, "UPDATE runs SET status = 'failed'", "DELETE FROM events WHERE seq = 3");
    const outcome = await here.varve(["db", "verify", "--json"]);
    expect(outcome.code).toBe(1);
    const report = json<{ equal: boolean; differences: unknown[]; violations: unknown[] }>(outcome);
    expect(report.equal).toBe(false);
    expect(report.differences.length + report.violations.length).toBeGreaterThan(0);
    expect((await here.varve(["db", "verify"])).stdout).toContain("not equal");
  });
});

describe("doctor", () => {
  const report = async (here: Place) => {
    const outcome = await here.varve(["doctor", "--json"]);
    return { code: outcome.code, ...json<DoctorReport>(outcome) };
  };
  const found = ({ findings }: DoctorReport, check: string) => findings.filter((finding) => finding.check === check);

  it("finds nothing wrong with a sound log", async () => {
    const here = await withRun();
    const sound = await report(here);
    expect(sound).toMatchObject({ code: 0, problems: 0 });
    expect(sound.findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        "node",
        "libsql",
        "file system",
        "disk",
        "journal",
        "sqlite",
        "owner",
        "stuck runs",
        "poison",
      ]),
    );
    const { code, stdout } = await here.varve(["doctor"]);
    expect(code).toBe(0);
    expect(stdout).toContain("✓ node");
  });

  it("names what is wrong and what to do, and exits with 1", async () => {
    const here = await withRun();
    const stuck = JSON.stringify({ code: "REPLAY_DIVERGED", message: "another step" });
    const columns = "id, workflow, version, status, epoch, head, unclean, tags, created_at";
    await tamper(
      here,
      "PRAGMA journal_mode = WAL",
      `UPDATE runs SET status = 'stuck', result = NULL, stuck = '${stuck}'`,
      `INSERT INTO runs (${columns}) VALUES ('run_x', 'greet', '1', 'pending', 3, 0, 3, '{}', 0)`,
      "INSERT INTO workers (id, started_at, expires_at) VALUES ('w1', 0, 9999999999999), ('w2', 0, 9999999999999)",
    );
    const ill = await report(here);
    expect(ill).toMatchObject({ code: 1, problems: 3 });
    expect(found(ill, "stuck runs")).toMatchObject([
      { level: "problem", found: expect.stringContaining("another step") },
    ]);
    expect(found(ill, "poison")).toMatchObject([{ level: "problem", found: expect.stringContaining("run_x") }]);
    expect(found(ill, "journal")).toMatchObject([{ level: "problem", advice: expect.stringContaining("--shared") }]);
    expect(ill.findings.every(({ level, advice }) => level === "ok" || advice !== null)).toBe(true);
  });

  it("knows a server that lives, and one that was killed in a step", async () => {
    const here = await withRun();
    const server = await here.serve([], { env: { HOLD: "compose" } });
    expect(found(await report(here), "owner")).toMatchObject([
      { level: "ok", found: expect.stringContaining(server.url) },
    ]);
    await here.varve(["run", "greet", "-i", "name=Bo", "--id", "k"]);
    await server.printed("held compose");
    server.kill("SIGKILL");
    await server.ended;
    const after = await report(here);
    expect(found(after, "owner")).toMatchObject([{ level: "note", advice: expect.stringContaining("start it again") }]);
    await here.varve(["run", "greet", "-i", "name=Bo", "--id", "k"]);
    expect(found(await report(here), "lost attempts")).toMatchObject([
      { level: "note", found: expect.stringContaining("greet compose: 1 times") },
    ]);
  });

  it("of a directory without a database says how to begin", async () => {
    const nothing = await report(place());
    expect(nothing).toMatchObject({ code: 0, problems: 0 });
    expect(found(nothing, "database")).toMatchObject([
      { level: "note", found: expect.stringContaining("varve serve") },
    ]);
  });

  it("of a file that is no database finds a problem", async () => {
    const here = place();
    here.write("varve.db", "not a database at all, by any reading of it ".repeat(100));
    expect(await report(here)).toMatchObject({ code: 1, problems: 1 });
  });
});

describe("keys", () => {
  it("are made, listed without their secret, and revoked", async () => {
    const here = place();
    await here.varve(["db", "migrate"]);
    const made = json<{ id: string; token: string }>(await here.varve(["keys", "create", "ci", "--json"]));
    expect(made).toMatchObject({ name: "ci", scopes: ["runs:read", "runs:write"], revokedAt: null });
    expect(made.token).toMatch(/^varve_/);
    const listed = await here.varve(["keys", "list", "--json"]);
    expect(json(listed)).toMatchObject({ keys: [{ id: made.id, revokedAt: null }] });
    expect(listed.stdout).not.toContain(made.token);
    expect(await here.varve(["keys", "revoke", made.id])).toMatchObject({ code: 0 });
    expect((await here.varve(["keys", "list"])).stdout).toMatch(/ci\truns:read,runs:write\t\S+Z\t\S+Z\n$/);
  });

  it("print the token alone on stdout", async () => {
    const here = place();
    const { code, stdout, stderr } = await here.varve(["keys", "create", "ci"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^varve_[0-9a-z_]+\n$/);
    expect(stderr).toContain("shown this once");
  });

  it.each([
    { args: ["create", "x", "--scope", "all"], code: 2, error: "SCOPE_INVALID" },
    { args: ["create", ""], code: 2, error: "NAME_INVALID" },
    { args: ["revoke", "none"], code: 3, error: "API_KEY_NOT_FOUND" },
  ])("are refused with $code: $args", async ({ args, code, error }) => {
    const here = place();
    await here.varve(["db", "migrate"]);
    const outcome = await here.varve(["keys", ...args, "--json"]);
    expect(outcome.code).toBe(code);
    expect(jsonError(outcome).code).toBe(error);
  });
});
