/** `varve serve`: who owns the file, how others reach it, how it ends. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownInProcess } from "./embedded.ts";
import { json, jsonError, type Place, place, WORKFLOWS } from "./varve.ts";

function withWorkflows(): Place {
  const here = place();
  here.write("workflows/greet.ts", WORKFLOWS);
  return here;
}

const GREET = ["run", "greet", "-i", "name=Ada"];
const SLEEPING = ["run", "greet", "--input", '{"name":"Ada","ms":60000}'];

describe("a server", () => {
  it("says where it listens and what it serves, and answers there", async () => {
    const here = withWorkflows();
    const server = await here.serve();
    expect(JSON.parse(server.stdout())).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      db: "file:varve.db",
      workflows: expect.arrayContaining(["greet", "refuse"]),
      hooks: [],
      pid: server.process.pid,
    });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${server.url}/api/v1/runs`)).status).toBe(200);
  });

  it("tells people what to try next, on stderr", async () => {
    const here = withWorkflows();
    const server = here.start(["serve", "--port", "0"]);
    await server.printed("/openapi.json");
    expect(server.stderr()).toContain("Try next");
    expect(server.stdout()).toBe("");
  });

  it("is asked by the other verbs, which find it by the file", async () => {
    const here = withWorkflows();
    await here.serve();
    const outcome = await here.varve([...GREET, "--wait"]);
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining("Hello, Ada") });
    expect(json(await here.varve(["runs", "list", "--json"]))).toMatchObject({ runs: [{ status: "completed" }] });
    const started = await here.varve([...SLEEPING, "--json"]);
    expect(started.code).toBe(0);
    expect(json(await here.varve(["runs", "show", String(json(started).id), "--json"]))).toMatchObject({
      run: { workflow: "greet" },
    });
  });

  it("refuses what the engine refuses, with the same exit codes", async () => {
    const here = withWorkflows();
    await here.serve();
    const refused = async (...args: string[]) => {
      const outcome = await here.varve([...args, "--json"]);
      return { code: outcome.code, error: jsonError(outcome).code };
    };
    expect(await refused("run", "nobody")).toEqual({ code: 3, error: "WORKFLOW_UNKNOWN" });
    expect(await refused("runs", "show", "run_none")).toEqual({ code: 3, error: "RUN_NOT_FOUND" });
    await here.varve([...GREET, "--id", "k", "--wait"]);
    expect(await refused("run", "greet", "-i", "name=Bo", "--id", "k")).toEqual({
      code: 6,
      error: "IDEMPOTENCY_CONFLICT",
    });
    const failed = await here.varve(["run", "refuse", "--wait"]);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("no such order [NO_ORDER]") });
    const late = await here.varve([...SLEEPING, "--wait", "--timeout", "300ms"]);
    expect(late).toMatchObject({ code: 5, stderr: expect.stringContaining("the run goes on at http://127.0.0.1") });
  });

  it("that a port is taken for exits with 7", async () => {
    const here = withWorkflows();
    const { url } = await here.serve();
    const outcome = await here.varve(["serve", "--port", new URL(url).port, "--db", "other.db", "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome).code).toBe("ADDRESS_UNAVAILABLE");
  });

  it("is one a file: a second names the first and exits with 7", async () => {
    const here = withWorkflows();
    const { url } = await here.serve();
    const outcome = await here.varve(["serve", "--port", "0", "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome)).toMatchObject({ code: "DATABASE_OWNED", message: expect.stringContaining(url) });
  });

  it("loads hooks, which are served at their place", async () => {
    const here = place();
    const source = `import { github, webhook, workflow } from "varve";
const triage = workflow({ name: "triage" }, async () => "done");
export const hook = webhook({ name: "gh", scheme: github({ secrets: ["It's a Secret to Everybody"] }), workflow: triage });
export { triage };`;
    here.write("flows/triage.mts", source);
    const server = await here.serve(["flows"]);
    expect(JSON.parse(server.stdout())).toMatchObject({ workflows: ["triage"], hooks: ["gh"] });
    const unsigned = await fetch(`${server.url}/hooks/gh`, { method: "POST", body: "{}" });
    expect(unsigned.status).toBe(401);
  });
});

describe("a server that ends", () => {
  it("by SIGTERM exits with 0 and hands its runs back", async () => {
    const here = withWorkflows();
    const server = await here.serve();
    const { id } = json<{ id: string }>(await here.varve([...SLEEPING, "--json"]));
    server.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
    expect(existsSync(join(here.path, "varve.db-owner.json"))).toBe(false);
    expect(json(await here.varve(["runs", "show", id, "--json"]))).toMatchObject({ run: { status: "waiting" } });
  });

  it("by Ctrl-C exits with 130, also with a watcher connected", async () => {
    const here = withWorkflows();
    const server = await here.serve();
    const watching = here.start(["runs", "watch", "--after", "0"]);
    await here.varve([...GREET, "--wait"]);
    await watching.printed("run.completed", "stdout");
    server.kill("SIGINT");
    expect((await server.ended).code).toBe(130);
  });

  it("gives a body so long, and ends at once by a second signal", async () => {
    const here = withWorkflows();
    const server = await here.serve(["--stop-within", "1h"], { env: { HOLD: "compose" } });
    await here.varve(GREET);
    await server.printed("held compose");
    server.kill("SIGTERM");
    // It still serves nobody else, and waits for the body.
    await expect.poll(() => existsSync(join(here.path, "varve.db-owner.json")), { timeout: 10_000 }).toBe(false);
    server.kill("SIGTERM");
    expect((await server.ended).code).toBe(143);
  });

  it("by SIGKILL leaves a record that nobody believes: the file is read, and its runs go on", async () => {
    const here = withWorkflows();
    const server = await here.serve([], { env: { HOLD: "sort" } });
    const { id } = json<{ id: string }>(await here.varve([...GREET, "--id", "k", "--json"]));
    await server.printed("held sort");
    server.kill("SIGKILL");
    await server.ended;
    expect(existsSync(join(here.path, "varve.db-owner.json"))).toBe(true);
    expect(json(await here.varve(["runs", "list", "--json"]))).toMatchObject({ runs: [{ id, status: "running" }] });
    const again = await here.varve([...GREET, "--id", "k", "--json"]);
    expect(json(again)).toMatchObject({ id, status: "completed", created: false });
    const bodies = readFileSync(join(here.path, "bodies.txt"), "utf8").trim().split("\n");
    expect(bodies).toEqual(["compose", "sort", "sort"]);
  });

  it("is not taken for another server that listens at its address now", async () => {
    const here = withWorkflows();
    await here.varve(GREET);
    const other = createServer((_, response) => response.end('{"status":"ok","runs":[],"cursor":null}'));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    writeFileSync(join(here.path, "varve.db-owner.json"), JSON.stringify({ id: "gone", url, pid: 1 }));
    expect(json(await here.varve(["runs", "list", "--json"]))).toMatchObject({ runs: [{ workflow: "greet" }] });
    for (const text of ["", "{", "[]", '{"id":1}']) {
      writeFileSync(join(here.path, "varve.db-owner.json"), text);
      expect((await here.varve(["runs", "list"])).code).toBe(0);
    }
  });
});

describe("beyond loopback", () => {
  it("nothing is served without a key, and nothing without the right one", async () => {
    const here = withWorkflows();
    const refused = await here.varve(["serve", "--host", "0.0.0.0", "--port", "0", "--json"]);
    expect(refused.code).toBe(2);
    expect(jsonError(refused)).toMatchObject({
      code: "KEYS_MISSING",
      message: expect.stringContaining("varve keys create"),
    });
    const readKey = (await here.varve(["keys", "create", "reader", "--scope", "runs:read"])).stdout.trim();
    const { url } = await here.serve(["--host", "0.0.0.0"]);
    const list = (env: Record<string, string>) => here.varve(["runs", "list", "--url", url, "--json"], { env });
    const without = await list({});
    expect({ code: without.code, error: jsonError(without).code }).toEqual({ code: 7, error: "UNAUTHENTICATED" });
    expect((await list({ VARVE_API_KEY: `${readKey.slice(0, -1)}z` })).code).toBe(7);
    expect(await list({ VARVE_API_KEY: readKey })).toMatchObject({ code: 0 });
    const write = await here.varve([...GREET, "--url", url, "--key", readKey, "--json"]);
    expect({ code: write.code, error: jsonError(write).code }).toEqual({ code: 7, error: "SCOPE_MISSING" });
  });
});

describe("a server that is named by --url", () => {
  it("and is not there exits with 7", async () => {
    const outcome = await place().varve(["runs", "list", "--url", "http://127.0.0.1:9", "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome).code).toBe("SERVER_UNREACHABLE");
  });

  it("and is something else exits with 7", async () => {
    const other = createServer((_, response) => response.end("<html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const outcome = await place().varve(["runs", "list", "--url", url, "--json"]);
    expect(outcome.code).toBe(7);
    expect(jsonError(outcome).code).toBe("SERVER_ANSWER_UNKNOWN");
  });

  it("and is no address exits with 2", async () => {
    const outcome = await place().varve(["runs", "list", "--url", "here", "--json"]);
    expect(outcome.code).toBe(2);
    expect(jsonError(outcome).code).toBe("URL_INVALID");
  });

  it("wins over VARVE_DB, and --db over VARVE_URL", async () => {
    const here = withWorkflows();
    await here.varve(GREET);
    const env = { VARVE_URL: "http://127.0.0.1:9" };
    expect((await here.varve(["runs", "list"], { env })).code).toBe(7);
    expect((await here.varve(["runs", "list", "--db", "varve.db"], { env })).code).toBe(0);
  });
});

describe("a file whose owner serves no HTTP", () => {
  it("is read, and not written", async () => {
    const here = withWorkflows();
    const runId = await ownInProcess(join(here.path, "varve.db"));
    expect(json(await here.varve(["runs", "list", "--json"]))).toMatchObject({ runs: [{ id: runId }] });
    expect(json(await here.varve(["db", "status", "--json"]))).toMatchObject({ owner: { isHeld: true, server: null } });
    for (const args of [GREET, ["runs", "cancel", runId], ["keys", "create", "x"]]) {
      const outcome = await here.varve([...args, "--json"]);
      expect(outcome.code).toBe(7);
      expect(jsonError(outcome).code).toBe("DATABASE_OWNED");
    }
  });
});
