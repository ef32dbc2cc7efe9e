/** The command against a libSQL server, and against a file that several processes write. */
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startHranaServer } from "../support/hrana-server.mjs";
import { json, jsonError, type Place, place, WORKFLOWS } from "./varve.ts";

async function withServer(): Promise<{ here: Place; db: string }> {
  const here = place();
  here.write("workflows/greet.ts", WORKFLOWS);
  const server = await startHranaServer({ path: join(here.path, "server.db") });
  onTestFinished(() => server.close());
  return { here, db: server.url };
}

const GREET = ["run", "greet", "-i", "name=Ada", "--json"];

describe("a libSQL server", () => {
  it("is migrated, worked on, read, verified and examined", async () => {
    const { here, db } = await withServer();
    const varve = (...args: string[]) => here.varve([...args, "--db", db, "--json"]);
    expect(json<{ applied: string[] }>(await varve("db", "migrate")).applied).not.toEqual([]);
    expect(json(await here.varve([...GREET, "--db", db]))).toMatchObject({ status: "completed" });
    expect(json(await varve("runs", "list"))).toMatchObject({ runs: [{ workflow: "greet" }] });
    expect(json(await varve("db", "status"))).toMatchObject({
      bytes: null,
      isCurrent: true,
      log: { runs: { completed: 1 } },
    });
    expect(json(await varve("db", "verify"))).toMatchObject({ equal: true, integrity: null });
    const doctor = await varve("doctor");
    expect(doctor.code).toBe(0);
    expect(json<{ findings: { check: string }[] }>(doctor).findings.map(({ check }) => check)).toContain("clock");
  }, 60_000);

  it("that is not there exits with 7", async () => {
    const outcome = await place().varve(["runs", "list", "--db", "http://127.0.0.1:9", "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome).code).toBe("STORE_UNAVAILABLE");
  });

  it("may be written by several processes: keys are made while a server works", async () => {
    const { here, db } = await withServer();
    const { url } = await here.serve(["--db", db]);
    expect((await here.varve(["keys", "create", "ci", "--db", db])).code).toBe(0);
    const started = await here.varve([...GREET, "--url", url, "--wait"]);
    expect(json(started)).toMatchObject({ status: "completed" });
    expect(json(await here.varve(["runs", "list", "--db", db, "--json"]))).toMatchObject({
      runs: [{ workflow: "greet" }],
    });
  });
});

describe("a shared file", () => {
  it("is written by a server and by others at once, with --shared", async () => {
    const here = place();
    here.write("workflows/greet.ts", WORKFLOWS);
    await here.serve(["--shared"]);
    expect(json(await here.varve([...GREET, "--shared"]))).toMatchObject({ status: "completed" });
    expect((await here.varve(["keys", "create", "ci", "--shared"])).code).toBe(0);
    expect(json(await here.varve(["db", "status", "--json"]))).toMatchObject({
      journalMode: "delete",
      owner: { isHeld: false, server: null },
    });
    expect(json(await here.varve(["doctor", "--json"]))).toMatchObject({ problems: 0 });
  });
});
